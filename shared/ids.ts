import { randomBytes } from "node:crypto";

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** A new identifier, such as `plan-7k2m9qx4ab`: a prefix and 50 random bits that are easy to read aloud. */
export function newId(prefix: "plan" | "run"): string {
  return `${prefix}-${[...randomBytes(10)].map((byte) => ALPHABET[byte % 32]).join("")}`;
}
