import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { openContainerEngine, type ContainerEngine } from "../../shared/caches/engine/container-api.ts";

/** Engines that speak Docker's language. Podman runs without cgroups here, so it can neither pause nor limit. */
export const KINDS = ["docker", "podman"] as const;
type EngineKind = (typeof KINDS)[number];

/** A real engine on a socket of its own, with images made of BusyBox: nothing is pulled. It ends with the test file. */
export interface DockerHost {
  readonly socket: string;
  /** Runs the `docker` client with these words and returns what it printed. */
  docker(...words: readonly string[]): string;
  /** Starts a container that sleeps; returns its full id. Options are those of `docker run`. */
  start(name: string, ...options: readonly string[]): string;
  /** Runs a program in a container as root and returns what it printed. */
  inside(container: string, ...argv: readonly string[]): string;
  engine(limitSeconds?: number, signal?: AbortSignal): Promise<ContainerEngine>;
}

/** An image with all that BusyBox can, one without find, one with GNU's find, and one with nothing but `sleep`. */
export const IMAGES = {
  full: "test/full",
  withoutFind: "test/without-find",
  gnu: "test/gnu",
  bare: "test/bare",
} as const;

const GNU_PROGRAMS = ["find", "stat", "rm", "timeout", "cat"];

/** Such an engine, until it is stopped. It can go away and come back. */
export interface DockerProgram extends DockerHost {
  /** Ends it at once, as a fault would. */
  kill(): Promise<void>;
  /** Starts it again, with what it held. */
  startAgain(): Promise<void>;
  /** Removes every container. */
  clear(): void;
  /** Ends it, and removes everything of it. */
  stop(): Promise<void>;
}

/** Starts an engine for the `describe` that this is called in, and removes its containers after each test. */
export function prepareDocker(kind: EngineKind = "docker"): DockerHost {
  let program: DockerProgram;
  before(async () => {
    program = await startDocker(kind);
  });
  afterEach(() => program.clear());
  after(() => program.stop());
  return {
    get socket() {
      return program.socket;
    },
    docker: (...words) => program.docker(...words),
    start: (...words) => program.start(...words),
    inside: (...words) => program.inside(...words),
    engine: (...parts) => program.engine(...parts),
  };
}

/** Starts an engine. */
export async function startDocker(kind: EngineKind = "docker"): Promise<DockerProgram> {
  const run = kind === "docker" ? runDaemon : runPodman;
  // Short: the path of a socket has but 107 bytes.
  const directory = mkdtempSync(join(tmpdir(), "cod-"));
  const socket = join(directory, "docker.sock");
  const docker = (...words: readonly string[]) =>
    execFileSync("docker", ["-H", `unix://${socket}`, ...words], { encoding: "utf8", stdio: "pipe" });
  let child: ChildProcess;
  const startAgain = async () => {
    child = run(directory);
    await untilItAnswers(child, directory);
  };
  const end = async (signal: "SIGKILL" | "SIGTERM") => {
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  };
  await startAgain();
  for (const [image, applets] of Object.entries(imageContents()))
    docker("import", packImage(directory, image, applets), image);
  return {
    socket,
    docker,
    start(name, ...options) {
      const image = options.find((option) => option.startsWith("test/")) ?? IMAGES.full;
      const rest = options.filter((option) => option !== image);
      return docker("run", "-d", "--network", "none", "--name", name, ...rest, image, "sleep", "86400").trim();
    },
    inside: (container, ...argv) => docker("exec", "-u", "0", container, ...argv),
    engine: (limitSeconds = 30, signal = new AbortController().signal) =>
      openContainerEngine({ endpoint: socket, limitSeconds, signal }),
    kill: () => end("SIGKILL"),
    startAgain,
    clear() {
      const ids = docker("ps", "-aq").split("\n").filter(Boolean);
      if (ids.length > 0) docker("rm", "-f", "-v", ...ids);
    },
    async stop() {
      await end("SIGTERM");
      endAllOf(directory);
      // One that was killed left its mounts behind.
      for (const mount of mountsBelow(directory)) execFileSync("umount", ["-l", mount]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function runDaemon(directory: string): ChildProcess {
  const words = [
    "--data-root",
    join(directory, "data"),
    "--exec-root",
    join(directory, "exec"),
    "--pidfile",
    join(directory, "docker.pid"),
    "--host",
    `unix://${join(directory, "docker.sock")}`,
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--userland-proxy=false",
    // To lower its own score it would need a capability that it may not have.
    "--oom-score-adjust=0",
    "--storage-driver=overlay2",
  ];
  const log = openSync(join(directory, "log"), "w");
  return spawn("dockerd", words, { stdio: ["ignore", log, log] });
}

/** Ends the processes that name a directory: Podman's watch over commands that ended long ago. */
function endAllOf(directory: string): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(directory)) process.kill(Number(pid), "SIGKILL");
    } catch (error) {
      // It ended by itself.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ESRCH") throw error;
    }
  }
}

/** Where something is mounted below a directory, the innermost first. */
function mountsBelow(directory: string): string[] {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  return lines
    .flatMap((line) => line.split(" ")[4] ?? [])
    .filter((path) => path.startsWith(`${directory}/`))
    .toReversed();
}

/** Podman's service. Its runtime refuses to see two hierarchies of cgroups, and limits that it may not set. */
function runPodman(directory: string): ChildProcess {
  const config = join(directory, "containers.conf");
  const settings = [
    "[containers]",
    'default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]',
    'netns = "none"',
    'cgroups = "disabled"',
    "[engine]",
    'events_logger = "file"',
    'cgroup_manager = "cgroupfs"',
    'runtime = "crun"',
  ];
  writeFileSync(config, settings.join("\n"));
  const places = ["--root", "--runroot", "--tmpdir"].flatMap((word) => [word, join(directory, word.slice(2))]);
  const service = ["system", "service", "--time=0", `unix://${join(directory, "docker.sock")}`];
  const script = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec podman "$@"';
  const words = ["-m", "--propagation", "private", "sh", "-c", script, "podman"];
  const log = openSync(join(directory, "log"), "w");
  const env = { ...process.env, CONTAINERS_CONF: config };
  return spawn("unshare", [...words, ...places, "--storage-driver=overlay", ...service], {
    stdio: ["ignore", log, log],
    env,
  });
}

async function untilItAnswers(child: ChildProcess, directory: string): Promise<void> {
  for (;;) {
    try {
      execFileSync("docker", ["-H", `unix://${join(directory, "docker.sock")}`, "version"], { stdio: "pipe" });
      return;
    } catch (error) {
      const log = readFileSync(join(directory, "log"), "utf8");
      if (child.exitCode !== null) throw new Error(`the engine ended: ${log.slice(-2000)}`, { cause: error });
      await delay(50);
    }
  }
}

function imageContents(): Readonly<Record<string, readonly string[]>> {
  const all = execFileSync("/bin/busybox", ["--list"], { encoding: "utf8" }).split("\n").filter(Boolean);
  return {
    [IMAGES.full]: all,
    [IMAGES.withoutFind]: all.filter((applet) => applet !== "find"),
    [IMAGES.gnu]: all.filter((applet) => !GNU_PROGRAMS.includes(applet)),
    [IMAGES.bare]: [],
  };
}

/** BusyBox under the names of its applets; with none of them, as `sleep` alone. Returns the path of the archive. */
function packImage(directory: string, image: string, applets: readonly string[]): string {
  const root = join(directory, image);
  for (const name of ["bin", "tmp", "etc"]) mkdirSync(join(root, name), { recursive: true });
  cpSync("/bin/busybox", join(root, "bin", applets.length === 0 ? "sleep" : "busybox"));
  for (const applet of applets) if (applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
  if (image === IMAGES.gnu) addPrograms(root, GNU_PROGRAMS);
  const archive = `${root}.tar`;
  execFileSync("tar", ["-C", root, "-cf", archive, "."]);
  return archive;
}

/** Programs of this system, with the libraries that they need. */
function addPrograms(root: string, programs: readonly string[]): void {
  for (const program of programs) {
    const file = execFileSync("which", [program], { encoding: "utf8" }).trim();
    cpSync(realpathSync(file), join(root, "bin", program));
    for (const [library] of execFileSync("ldd", [file], { encoding: "utf8" }).matchAll(/\/\S+(?= \()/g)) {
      cpSync(realpathSync(library), join(root, library));
    }
  }
}
