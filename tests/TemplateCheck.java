import com.pixelmed.validate.DicomSRValidator;

/**
 * PixelMed's template check of several structured reports in one Java process: `java -cp pixelmed.jar TemplateCheck.java FILE...`
 *
 * Its own main takes one file, and reading the templates takes far longer than a report. A report that it fails on is
 * said so and does not keep the others from being judged.
 */
public class TemplateCheck {
    public static void main(String[] files) throws Exception {
        DicomSRValidator validator = new DicomSRValidator();
        for (String file : files) {
            System.out.println("=== " + file);
            try {
                System.out.println(validator.validate(file));
            } catch (Exception failed) {
                System.out.println("Error: " + failed);
            }
        }
    }
}
