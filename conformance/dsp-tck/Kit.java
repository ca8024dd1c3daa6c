import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Properties;
import org.eclipse.dataspacetck.core.system.ConsoleMonitor;
import org.eclipse.dataspacetck.runtime.TckRuntime;

/**
 * Runs every case of the kit with the properties of one file, and says what failed and why.
 *
 * Last line: "N passed, N failed, N skipped", the kit's own counts. Exit code 0 if nothing failed, 1 if something did,
 * 3 if the kit found no case: whether the counts are the right ones is for the caller to say.
 */
public final class Kit {
    private Kit() {
    }

    /** The only argument is the path of the properties. */
    public static void main(String[] arguments) throws Exception {
        var read = new Properties();
        try (Reader reader = Files.newBufferedReader(Path.of(arguments[0]))) {
            read.load(reader);
        }
        var settings = new HashMap<String, String>();
        read.stringPropertyNames().forEach(name -> settings.put(name, read.getProperty(name)));
        var summary = TckRuntime.Builder.newInstance()
                .properties(settings)
                .addPackage("org.eclipse.dataspacetck.dsp.verification")
                .monitor(new ConsoleMonitor(Boolean.parseBoolean(settings.get("dataspacetck.debug")), false))
                .build()
                .execute();
        for (var failure : summary.getFailures()) {
            System.out.printf("FAILED: %s: %s%n", failure.getTestIdentifier().getDisplayName(), failure.getException());
        }
        System.out.printf("%d passed, %d failed, %d skipped%n", summary.getTestsSucceededCount(),
                summary.getTestsFailedCount(), summary.getTestsSkippedCount());
        System.out.flush();
        // Its HTTP client keeps threads that would hold the process open.
        System.exit(summary.getTestsFoundCount() == 0 ? 3 : summary.getTestsFailedCount() == 0 ? 0 : 1);
    }
}
