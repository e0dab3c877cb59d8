// SPDX-License-Identifier: Apache-2.0

// Sends numbered events to a forward server with fluent-logger-golang.
//
//	send -port 24224 -tag app.go -count 1000 [-ack] [-subsecond] [-json]
//
// Exits 0 only when every Post returned without an error; with -ack that means
// every message was acknowledged.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

func main() {
	host := flag.String("host", "127.0.0.1", "address of the forward server")
	port := flag.Int("port", 24224, "port of the forward server")
	tag := flag.String("tag", "app.go", "tag of all events")
	count := flag.Int("count", 1, "number of events")
	first := flag.Int("first", 0, "number of the first event")
	ack := flag.Bool("ack", false, "ask for an acknowledgement of each message")
	subsecond := flag.Bool("subsecond", false, "send EventTime instead of whole seconds")
	json := flag.Bool("json", false, "JSON mode instead of MessagePack")
	flag.Parse()

	logger, err := fluent.New(fluent.Config{
		FluentHost:         *host,
		FluentPort:         *port,
		RequestAck:         *ack,
		SubSecondPrecision: *subsecond,
		MarshalAsJSON:      *json,
		MaxRetry:           1,
		Timeout:            10 * time.Second,
		WriteTimeout:       30 * time.Second,
	})
	if err != nil {
		fail("connect", err)
	}
	defer logger.Close()
	for n := *first; n < *first+*count; n++ {
		record := map[string]interface{}{"client": "go", "n": n, "text": "é😀"}
		if err := logger.PostWithTime(*tag, time.Unix(1700000000+int64(n), 5000000), record); err != nil {
			fail(fmt.Sprintf("event %d", n), err)
		}
	}
	fmt.Printf("sent %d\n", *count)
}

func fail(what string, err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
	os.Exit(1)
}
