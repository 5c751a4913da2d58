import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { makePlace } from "../../support/place.ts";

/** A program in place of ffprobe: a shell script. Returns its path. */
export function standIn(script: string, mode = 0o755): string {
  const program = join(makePlace("ffprobe"), "ffprobe");
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, mode);
  return program;
}

/** A stand-in that answers for every file, and notes each run as a line in the file `calls`. */
export function countingProbe(): { readonly program: string; readonly calls: string } {
  const calls = join(makePlace("calls"), "calls");
  writeFileSync(calls, "");
  const answer =
    '{"streams":[{"codec_type":"video","codec_name":"h264","width":64,"height":48}],"format":{"duration":"2.5"}}';
  return { program: standIn(`echo run >> '${calls}'\necho '${answer}'`), calls };
}
