// sbom.js FILE: is it a CycloneDX document, by the strict schema of the version that it says?
import { readFileSync } from "node:fs";
import { Spec, Validation } from "@cyclonedx/cyclonedx-library";

const text = readFileSync(process.argv[2], "utf8");
const version = JSON.parse(text).specVersion;
if (!Object.values(Spec.Version).includes(version)) throw new Error(`no version of CycloneDX: ${version}`);
const error = await new Validation.JsonStrictValidator(version).validate(text);
if (error !== null) {
  console.error(error);
  process.exit(1);
}
console.log(`a CycloneDX ${version} document`);
