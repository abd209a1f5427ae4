import java.io.FileWriter;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Currency;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import net.corda.client.rpc.CordaRPCClient;
import net.corda.client.rpc.CordaRPCClientConfiguration;
import net.corda.client.rpc.CordaRPCConnection;
import net.corda.client.rpc.GracefulReconnect;
import net.corda.core.contracts.Amount;
import net.corda.core.contracts.StateAndRef;
import net.corda.core.identity.CordaX500Name;
import net.corda.core.identity.Party;
import net.corda.core.messaging.CordaRPCOps;
import net.corda.core.messaging.FlowHandle;
import net.corda.core.node.services.Vault;
import net.corda.core.node.services.vault.PageSpecification;
import net.corda.core.node.services.vault.QueryCriteria;
import net.corda.core.utilities.NetworkHostAndPort;
import net.corda.core.utilities.OpaqueBytes;
import net.corda.finance.contracts.asset.Cash;
import net.corda.finance.flows.AbstractCashFlow;
import net.corda.finance.flows.CashIssueFlow;
import net.corda.finance.flows.CashPaymentFlow;

/**
 * What the trial asks of Corda.
 *
 *   Client bootstrap FOLDER                            makes the network of the nodes in a folder
 *   Client load PORT-A PORT-B RATE SECONDS PREFIX OUT  I: A issues, P: A pays B, R: B pays A, in turn
 *   Client verdict PORT-A PORT-B PREFIX OUT            holds what was acknowledged against both vaults
 *
 * Every line begins with the milliseconds of the clock.
 */
public class Client {
    public static void main(String[] args) throws Exception {
        boolean good = true;
        try {
            switch (args[0]) {
                case "bootstrap":
                    new net.corda.nodeapi.internal.network.NetworkBootstrapper()
                        .bootstrap(Paths.get(args[1]), Collections.<Path>emptyList());
                    break;
                case "load":
                    new Load(port(args[1]), port(args[2]), args[5], args[6])
                        .run(Double.parseDouble(args[3]), Integer.parseInt(args[4]));
                    break;
                case "verdict":
                    good = verdict(port(args[1]), port(args[2]), args[3], Paths.get(args[4]));
                    break;
                default:
                    throw new IllegalArgumentException(args[0]);
            }
        } catch (Throwable error) {
            say("FAILED " + why(error));
            good = false;
        }
        Runtime.getRuntime().halt(good ? 0 : 1);
    }

    /** An open loop: each request begins when it is due, whatever became of those before it. */
    static class Load {
        final CordaRPCOps a;
        final CordaRPCOps b;
        final Party partyA;
        final Party partyB;
        final Party notary;
        final String prefix;
        final PrintWriter out;
        final int portA;
        final Map<String, String> open = Collections.synchronizedMap(new HashMap<>());
        int acknowledged;
        int failed;
        long lastAnswer;

        Load(int portA, int portB, String prefix, String out) throws Exception {
            this.portA = portA;
            this.prefix = prefix;
            this.out = new PrintWriter(new FileWriter(out), true);
            GracefulReconnect told = new GracefulReconnect(() -> say("disconnected"), () -> say("reconnected"), -1);
            a = within(120, () -> client(portA).start(USER, PASSWORD, told)).getProxy();
            b = portB == 0 ? null : within(120, () -> client(portB).start(USER, PASSWORD)).getProxy();
            notary = within(60, () -> a.notaryIdentities().get(0));
            partyA = within(60, () -> a.nodeInfo().getLegalIdentities().get(0));
            partyB = b == null ? null : within(60, () -> b.nodeInfo().getLegalIdentities().get(0));
        }

        void run(double rate, int seconds) throws Exception {
            String kinds = b == null ? "I" : "IPIR";
            int count = (int) (rate * seconds);
            if (b != null) {
                seed(a, count / 4 + 5);
                seed(b, count / 4 + 5);
            }
            pool.submit(this::poll);
            CountDownLatch left = new CountDownLatch(count);
            long begun = System.currentTimeMillis();
            lastAnswer = begun;
            say("load begins: " + count + " flows");
            for (int i = 0; i < count; i++) {
                long wait = begun + (long) (i * 1000 / rate) - System.currentTimeMillis();
                if (wait > 0) Thread.sleep(wait);
                String id = String.format("%s%05d", prefix, i);
                char kind = kinds.charAt(i % kinds.length());
                pool.submit(() -> { one(id, kind); left.countDown(); });
            }
            left.await(Long.getLong("drain", 120), TimeUnit.SECONDS);
            synchronized (open) {
                for (Map.Entry<String, String> entry : open.entrySet()) {
                    out.println(entry.getKey() + " " + entry.getValue().replace("BEGUN", "OPEN") + " 0 -");
                }
            }
            out.flush();
            say("load ends: " + count + " begun, " + acknowledged + " acknowledged, " + failed + " failed, "
                + open.size() + " without an answer");
        }

        /** Money to pay with, in coins of one pound. */
        void seed(CordaRPCOps node, int coins) throws Exception {
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < coins; i++) {
                OpaqueBytes reference = reference("seed" + prefix + i);
                all.add(node.startFlowDynamic(CashIssueFlow.class, POUND, reference, notary).getReturnValue());
            }
            for (Future<?> one : all) one.get(120, TimeUnit.SECONDS);
        }

        void one(String id, char kind) {
            long begun = System.currentTimeMillis();
            open.put(id, kind + " BEGUN " + begun);
            String state = "ACK";
            String text;
            try {
                text = ((AbstractCashFlow.Result) start(id, kind).getReturnValue().get()).getStx().getId().toString();
                answered();
            } catch (Throwable error) {
                state = "FAIL";
                text = why(error);
                say("failed " + id + " " + kind + " " + text);
            }
            if (open.remove(id) == null) return;
            synchronized (this) {
                if (state.equals("ACK")) acknowledged++;
                else failed++;
                out.println(id + " " + kind + " " + state + " " + begun + " " + System.currentTimeMillis() + " " + text);
            }
        }

        FlowHandle<?> start(String id, char kind) {
            switch (kind) {
                case 'I':
                    return a.startFlowDynamicWithClientId(id, CashIssueFlow.class, POUND, reference(id), notary);
                case 'P':
                    return a.startFlowDynamicWithClientId(id, CashPaymentFlow.class, POUND, partyB, false);
                default:
                    return b.startFlowDynamicWithClientId(id, CashPaymentFlow.class, POUND, partyA, false);
            }
        }

        synchronized void answered() {
            long now = System.currentTimeMillis();
            if (now - lastAnswer > 3000) say("gap between two acknowledgements " + (now - lastAnswer) + " ms");
            lastAnswer = now;
        }

        /** Says when a call that reads the database is answered, and when no longer. */
        void poll() {
            CordaRPCConnection connection = null;
            String last = "";
            while (true) {
                String now;
                try {
                    if (connection == null) connection = within(15, () -> connect());
                    CordaRPCOps node = connection.getProxy();
                    within(15, () -> page(node, 1, 1));
                    now = "UP";
                } catch (Throwable error) {
                    now = "DOWN";
                    CordaRPCConnection broken = connection;
                    connection = null;
                    if (broken != null) pool.submit(broken::forceClose);
                }
                if (!now.equals(last)) say("poll " + now);
                last = now;
                try { Thread.sleep(100); } catch (InterruptedException error) { return; }
            }
        }

        CordaRPCConnection connect() throws Exception {
            try (Socket socket = new Socket()) { socket.connect(new InetSocketAddress("127.0.0.1", portA), 500); }
            return client(portA).start(USER, PASSWORD);
        }
    }

    static boolean verdict(int portA, int portB, String prefix, Path out) throws Exception {
        List<String[]> atA = states(portA);
        List<String[]> atB = portB == 0 ? new ArrayList<>() : states(portB);
        Map<String, Integer> references = new HashMap<>();
        Set<String> transactions = new HashSet<>();
        for (String[] state : atA) {
            transactions.add("R" + state[0]);
            if (state[1].startsWith(prefix)) references.merge(state[1], 1, Integer::sum);
        }
        for (String[] state : atB) transactions.add("P" + state[0]);
        List<String> lost = new ArrayList<>();
        Map<String, Integer> counts = new java.util.TreeMap<>();
        int unacknowledged = 0;
        for (String line : Files.readAllLines(out)) {
            String[] field = line.split(" ");
            counts.merge(field[1] + " " + field[2], 1, Integer::sum);
            boolean there = field[1].equals("I") ? references.containsKey(field[0])
                : transactions.contains(field[1] + field[field.length - 1]);
            if (field[2].equals("ACK") && !there) lost.add(field[0]);
            if (!field[2].equals("ACK") && there) unacknowledged++;
        }
        List<String> twice = new ArrayList<>();
        references.forEach((reference, times) -> { if (times > 1) twice.add(reference); });
        say("verdict " + counts + "; acknowledged and missing: " + lost.size() + " " + lost + "; issued twice: "
            + twice.size() + " " + twice + "; there without an acknowledgement: " + unacknowledged);
        return lost.isEmpty() && twice.isEmpty();
    }

    /** The transaction and the issuer's reference of every state of cash, spent ones as well. */
    static List<String[]> states(int port) throws Exception {
        CordaRPCOps node = within(60, () -> client(port).start(USER, PASSWORD)).getProxy();
        List<String[]> all = new ArrayList<>();
        for (int number = 1; ; number++) {
            int at = number;
            Vault.Page<Cash.State> page = within(60, () -> page(node, at, 500));
            for (StateAndRef<Cash.State> state : page.getStates()) {
                byte[] reference = state.getState().getData().getAmount().getToken().getIssuer().getReference().getBytes();
                String text = new String(reference, StandardCharsets.US_ASCII);
                all.add(new String[] { state.getRef().getTxhash().toString(), text });
            }
            if (number * 500L >= page.getTotalStatesAvailable()) return all;
        }
    }

    static Vault.Page<Cash.State> page(CordaRPCOps node, int number, int size) {
        QueryCriteria any = new QueryCriteria.VaultQueryCriteria(Vault.StateStatus.ALL);
        return node.vaultQueryByWithPagingSpec(Cash.State.class, any, new PageSpecification(number, size));
    }

    static CordaRPCClient client(int port) {
        return new CordaRPCClient(new NetworkHostAndPort("127.0.0.1", port), CordaRPCClientConfiguration.DEFAULT);
    }

    static <T> T within(int seconds, Callable<T> call) throws Exception {
        Future<T> future = pool.submit(call);
        try {
            return future.get(seconds, TimeUnit.SECONDS);
        } catch (TimeoutException error) {
            future.cancel(true);
            throw new TimeoutException("no answer in " + seconds + " s");
        }
    }

    static String why(Throwable error) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; error != null && i < 4; i++, error = error.getCause()) {
            String message = String.valueOf(error.getMessage()).split("\n")[0];
            text.append(i > 0 ? " <- " : "").append(error.getClass().getSimpleName()).append(": ").append(message);
        }
        return text.toString();
    }

    static OpaqueBytes reference(String text) {
        return OpaqueBytes.of(text.getBytes(StandardCharsets.US_ASCII));
    }

    static int port(String text) {
        return Integer.parseInt(text);
    }

    static synchronized void say(String text) {
        System.out.println(System.currentTimeMillis() + " " + text);
        System.out.flush();
    }

    static final ExecutorService pool = Executors.newCachedThreadPool(run -> {
        Thread thread = new Thread(run);
        thread.setDaemon(true);
        return thread;
    });
    static final Amount<Currency> POUND = new Amount<>(100, Currency.getInstance("GBP"));
    static final String USER = "user1";
    static final String PASSWORD = "test";
}
