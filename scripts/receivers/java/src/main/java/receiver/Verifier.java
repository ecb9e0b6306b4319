package receiver;

import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** Verifies what Standard Webhooks defines, with nothing but the JDK. */
public final class Verifier {
    private static final Duration TOLERANCE = Duration.ofMinutes(5);

    private final List<SecretKeySpec> keys;

    /**
     * @param secrets whsec_… and comma separated: several during a rotation
     * @throws IllegalArgumentException if there is none, which must not mean
     *     "believe all", or one is not base64
     */
    public Verifier(String secrets) {
        keys = Arrays.stream(secrets.split(","))
                .map(secret -> secret.strip().replaceFirst("^whsec_", ""))
                .filter(secret -> !secret.isEmpty())
                .map(secret -> new SecretKeySpec(Base64.getDecoder().decode(secret), "HmacSHA256"))
                .toList();
        if (keys.isEmpty()) {
            throw new IllegalArgumentException("WEBHOOK_SECRETS is empty");
        }
    }

    /**
     * Reports whether one of the signatures was made with one of the secrets,
     * within five minutes of now. The body is what came, byte by byte, and not
     * what a parser makes of it. No header may be null.
     */
    public boolean verifies(String id, String timestamp, String signatures, byte[] body, Instant now) {
        // Without the limit a recorded request could be sent again years later.
        if (!timestamp.matches("[0-9]{1,12}")
                || Duration.between(Instant.ofEpochSecond(Long.parseLong(timestamp)), now).abs().compareTo(TOLERANCE) > 0) {
            return false;
        }
        for (SecretKeySpec key : keys) {
            byte[] want = ("v1," + sign(key, id + "." + timestamp + ".", body)).getBytes(StandardCharsets.US_ASCII);
            for (String signature : signatures.split(" ")) {
                // In constant time: equals tells by its duration how much was right.
                if (MessageDigest.isEqual(want, signature.getBytes(StandardCharsets.UTF_8))) {
                    return true;
                }
            }
        }
        return false;
    }

    private static String sign(SecretKeySpec key, String prefix, byte[] body) {
        try {
            Mac mac = Mac.getInstance(key.getAlgorithm());
            mac.init(key);
            mac.update(prefix.getBytes(StandardCharsets.UTF_8));
            return Base64.getEncoder().encodeToString(mac.doFinal(body));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e); // every Java has HmacSHA256
        }
    }
}
