// SPDX-License-Identifier: Apache-2.0

import com.amazonaws.kinesis.agg.AggRecord;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;

/**
 * Makes aggregated records with the Java library amazon-kinesis-aggregator.
 *
 * <p>Reads lines of three fields with tabs between them: partition key in base64, explicit hash key
 * in decimal or nothing, data in base64. An empty line ends a record, whose bytes are then written in
 * base64.
 */
public final class Aggregate {
  public static void main(String[] arguments) throws IOException {
    Base64.Decoder decoder = Base64.getDecoder();
    BufferedReader in =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
    AggRecord record = new AggRecord();
    for (String line; (line = in.readLine()) != null; ) {
      if (line.isEmpty()) {
        System.out.println(Base64.getEncoder().encodeToString(record.toRecordBytes()));
        record = new AggRecord();
        continue;
      }
      String[] fields = line.split("\t", -1);
      String key = new String(decoder.decode(fields[0]), StandardCharsets.UTF_8);
      String hash = fields[1].isEmpty() ? null : fields[1];
      if (!record.addUserRecord(key, hash, decoder.decode(fields[2]))) {
        throw new IOException("the user record does not fit");
      }
    }
  }
}
