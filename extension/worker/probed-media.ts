import type { Description } from "@cache-ops/shared";

import type { ProbedMedia } from "../protocol.ts";

/** What of the result of `probe` with full detail is needed of one file. */
export interface ProbeOutput {
  readonly files: readonly {
    readonly message: string | null;
    readonly media: Description | null;
    readonly data?: { readonly format: Readonly<Record<string, unknown>> };
  }[];
  readonly errors: readonly { readonly message: string }[];
}

/** The one file that was probed, without what ffprobe says beyond what is shown. */
export function probedMediaOf({ files, errors }: ProbeOutput): ProbedMedia {
  const [file] = files;
  if (file === undefined) return { state: "failed", message: errors[0]?.message ?? "It could not be looked at." };
  const { media, message, data } = file;
  if (media === null) return { state: "failed", message: message ?? "ffprobe could make nothing of it." };
  // ffprobe writes numbers as text.
  const bytes = Number(data?.format["size"] ?? Number.NaN);
  return { state: "probed", media, bytes: Number.isSafeInteger(bytes) ? bytes : null };
}
