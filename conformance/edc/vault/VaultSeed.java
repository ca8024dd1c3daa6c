package naru.conformance;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.eclipse.edc.runtime.metamodel.annotation.Inject;
import org.eclipse.edc.spi.security.Vault;
import org.eclipse.edc.spi.system.ServiceExtension;
import org.eclipse.edc.spi.system.ServiceExtensionContext;

/**
 * The only class of ours in the assembly. EDC's vault in memory starts empty and no API that is to be had fills it, so the
 * key pair for the tokens of its data plane is put there at the start: each file of the folder "naru.vault", under its name.
 */
public final class VaultSeed implements ServiceExtension {
    @Inject
    private Vault vault;

    @Override
    public String name() {
        return "Keys of the data plane";
    }

    @Override
    public void initialize(ServiceExtensionContext context) {
        try (var files = Files.list(Path.of(context.getConfig().getString("naru.vault")))) {
            for (var file : files.toList()) {
                vault.storeSecret(file.getFileName().toString(), Files.readString(file));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
