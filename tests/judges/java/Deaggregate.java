// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import software.amazon.kinesis.retrieval.AggregatorUtil;
import software.amazon.kinesis.retrieval.KinesisClientRecord;

/**
 * De-aggregates Kinesis records as a consumer with the Kinesis Client Library gets them.
 *
 * <p>Reads lines of four fields with tabs between them: partition key and data in base64, first and
 * last hash key of the shard in decimal. Writes for each line, with its number from 0:
 *
 * <pre>
 *   N  user     SUB  KEY  DATA     one line a user record, key and data in base64
 *   N  raw                         handed on as it came: not aggregated, or damaged
 *   N  dropped                     nothing was handed on
 * </pre>
 */
public final class Deaggregate {
  private static final Base64.Decoder DECODER = Base64.getDecoder();
  private static final Base64.Encoder ENCODER = Base64.getEncoder();

  public static void main(String[] arguments) throws IOException {
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII), 1 << 20);
    BufferedWriter out =
        new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.US_ASCII), 1 << 20);
    AggregatorUtil util = new AggregatorUtil();
    long number = 0;
    for (String line; (line = in.readLine()) != null; ++number) {
      String[] fields = line.split("\t", -1);
      KinesisClientRecord record =
          KinesisClientRecord.builder()
              .sequenceNumber(Long.toString(number))
              .partitionKey(new String(DECODER.decode(fields[0]), StandardCharsets.UTF_8))
              .data(ByteBuffer.wrap(DECODER.decode(fields[1])))
              .build();
      print(out, number, util.deaggregate(List.of(record), fields[2], fields[3]));
    }
    out.flush();
  }

  private static void print(BufferedWriter out, long number, List<KinesisClientRecord> handedOn)
      throws IOException {
    if (handedOn.isEmpty()) {
      out.write(number + "\tdropped\n");
    }
    for (KinesisClientRecord record : handedOn) {
      if (!record.aggregated()) {
        out.write(number + "\traw\n");
        continue;
      }
      byte[] data = new byte[record.data().remaining()];
      record.data().duplicate().get(data);
      String key =
          ENCODER.encodeToString(record.partitionKey().getBytes(StandardCharsets.UTF_8));
      out.write(number + "\tuser\t" + record.subSequenceNumber() + "\t" + key + "\t");
      out.write(ENCODER.encodeToString(data) + "\n");
    }
  }
}
