import { dirname } from "node:path";

/** What a unit is made of. All paths are absolute. */
export interface UnitParts {
  /** The program and its words. */
  readonly command: readonly string[];
  readonly stateDirectory: string;
  readonly configFile: string;
  readonly tokenFile: string;
  /** Roots of libraries and managed caches: besides the state directory, all that it may write to. */
  readonly roots: readonly string[];
}

/**
 * A unit for systemd that runs the service and lets it write to its state and to the configured roots, nowhere else.
 * Secrets come from an environment file that only root can read.
 */
export function unitOf({ command, stateDirectory, configFile, tokenFile, roots }: UnitParts): string {
  const writable = [...new Set([stateDirectory, dirname(tokenFile), ...roots])];
  return `# Made by \`cache-ops serve --print-unit\`. Install it as /etc/systemd/system/cache-ops.service, set User= to
# who owns the media, then: systemctl daemon-reload && systemctl enable --now cache-ops
[Unit]
Description=Cache Ops: looks after the caches of media tools
After=network-online.target remote-fs.target redis-server.service
Wants=network-online.target

[Service]
Type=exec
ExecStart=${command.map(wordOf).join(" ")}
Environment=${quoted(`CACHE_OPS_STATE_DIR=${stateDirectory}`)}
Environment=${quoted(`CACHE_OPS_CONFIG=${configFile}`)}
# CACHE_OPS_REDIS_URL, CACHE_OPS_WEBHOOK_SECRET, AWS_ACCESS_KEY_ID, …; mode 0600.
EnvironmentFile=-/etc/cache-ops.env
# systemctl stop: running work ends, or stops at its next safe point.
KillSignal=SIGTERM
TimeoutStopSec=90
Restart=on-failure
RestartSec=5
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths=${writable.map((path) => quoted(`-${path}`)).join(" ")}
PrivateTmp=${writable.some(isTemporary) ? "no" : "yes"}
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
# For root: keeping owners of files, and seeing which files others hold open.
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_SYS_PTRACE
IOSchedulingClass=idle
Nice=10

[Install]
WantedBy=multi-user.target
`;
}

function isTemporary(path: string): boolean {
  return /^\/(var\/)?tmp(\/|$)/.test(path);
}

/** A value as systemd reads it back: specifiers and quotes escaped. */
function quoted(text: string): string {
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll('"', '\\"')
    .replaceAll("\n", "\\n")
    .replaceAll("\t", "\\t")
    .replaceAll("%", "%%");
  return `"${escaped}"`;
}

/** A word of a command line, where a dollar sign would stand for a variable. */
function wordOf(text: string): string {
  return quoted(text.replaceAll("$", "$$$$"));
}
