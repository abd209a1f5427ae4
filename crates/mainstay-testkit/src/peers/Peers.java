// Cases of gRPC's interoperability tests, one after the other in one JVM; their server, on the loopback interface alone;
// and the certificates that both know, as files.
package io.grpc.testing.integration;

import io.grpc.InsecureServerCredentials;
import io.grpc.ServerCredentials;
import io.grpc.ServerInterceptors;
import io.grpc.TlsServerCredentials;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.testing.TlsTesting;
import java.io.InputStream;
import java.lang.reflect.Method;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Executors;

public final class Peers {
  public static void main(String[] words) {
    try {
      switch (words[0]) {
        case "serve" -> serve(Integer.parseInt(words[1]), Boolean.parseBoolean(words[2]));
        case "play" -> play(words[1].split(","), Arrays.copyOfRange(words, 2, words.length));
        case "certificates" -> certificates(Path.of(words[1]));
        default -> throw new IllegalArgumentException(words[0]);
      }
      System.exit(0);
    } catch (Throwable error) {
      error.printStackTrace();
      System.exit(1);
    }
  }

  private static void serve(int port, boolean isSecure) throws Exception {
    ServerCredentials credentials = InsecureServerCredentials.create();
    if (isSecure) {
      credentials = TlsServerCredentials.create(TlsTesting.loadCert("server1.pem"), TlsTesting.loadCert("server1.key"));
    }
    TestServiceImpl service = new TestServiceImpl(Executors.newSingleThreadScheduledExecutor());
    NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", port), credentials)
        .maxInboundMessageSize(AbstractInteropTest.MAX_MESSAGE_SIZE)
        .addService(ServerInterceptors.intercept(service, TestServiceImpl.interceptors()))
        .build()
        .start()
        .awaitTermination();
  }

  private static void play(String[] cases, String[] words) throws Exception {
    for (String name : cases) {
      System.out.println("case " + name);
      TestServiceClient client = new TestServiceClient();
      String[] all = Arrays.copyOf(words, words.length + 1);
      all[words.length] = "--test_case=" + name;
      Method parse = TestServiceClient.class.getDeclaredMethod("parseArgs", String[].class);
      parse.setAccessible(true);
      parse.invoke(client, (Object) all);
      call(client, "setUp");
      try {
        call(client, "run");
      } finally {
        call(client, "tearDown");
      }
    }
  }

  private static void call(TestServiceClient client, String name) throws Exception {
    Method method = TestServiceClient.class.getDeclaredMethod(name);
    method.setAccessible(true);
    method.invoke(client);
  }

  private static void certificates(Path folder) throws Exception {
    for (String name : new String[] {"ca.pem", "server1.pem", "server1.key"}) {
      try (InputStream from = TlsTesting.loadCert(name)) {
        Files.write(folder.resolve(name), from.readAllBytes());
      }
    }
  }
}
