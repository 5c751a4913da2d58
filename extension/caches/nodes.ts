import type { EngineCacheRow, InspectedEntry } from "@cache-ops/shared";

import type { DirectoryRow, FileProblem, ManagedRow, MediaAuditRow, QuarantinedRow, RootRow } from "../protocol.ts";
import type { ChannelRow, TaskRow } from "./remote-words.ts";

/**
 * What the tree of caches is made of: library → directory → cache file → entries; a cache of media-audit → its entries;
 * the central cache of probe results → its figures; a managed cache → its directories and its quarantine; an engine
 * cache → its containers; a Jellyfin server → its channel caches, its tasks and its figures.
 */
export type Node =
  | { readonly type: "root"; readonly row: RootRow }
  | { readonly type: "directory"; readonly root: string; readonly row: DirectoryRow }
  | { readonly type: "cache"; readonly root: string; readonly row: DirectoryRow; readonly cache: string }
  | { readonly type: "entry"; readonly root: string; readonly cache: string; readonly entry: InspectedEntry }
  | { readonly type: "file"; readonly root: string; readonly directory: string; readonly problem: FileProblem }
  | { readonly type: "mediaAudit"; readonly place: string; readonly isOnly: boolean }
  | { readonly type: "mediaAuditEntry"; readonly place: string; readonly row: MediaAuditRow }
  | { readonly type: "probeCache" }
  | { readonly type: "managed"; readonly name: string; readonly root: string }
  | { readonly type: "managedDirectory"; readonly cache: string; readonly root: string; readonly row: ManagedRow }
  | { readonly type: "quarantine"; readonly cache: string; readonly count: number }
  | { readonly type: "quarantined"; readonly cache: string; readonly row: QuarantinedRow }
  | { readonly type: "engine"; readonly name: string }
  | { readonly type: "container"; readonly row: EngineCacheRow; readonly isOnly: boolean }
  | { readonly type: "jellyfin"; readonly name: string }
  | { readonly type: "channel"; readonly server: string; readonly row: ChannelRow }
  | { readonly type: "task"; readonly server: string; readonly row: TaskRow }
  | { readonly type: "fact"; readonly of: string; readonly label: string; readonly text: string; readonly icon: string }
  | { readonly type: "more"; readonly parent: Node; readonly shown: number; readonly total: number }
  | { readonly type: "message"; readonly text: string; readonly isError: boolean };

/** What identifies a node while rows come and go. */
export function idOf(node: Node): string {
  switch (node.type) {
    case "root":
      return `root ${node.row.root}`;
    case "directory":
      return `directory ${node.row.directory}`;
    case "cache":
      return `cache ${node.cache}`;
    case "entry":
      return `entry ${node.cache} ${node.entry.key}`;
    case "file":
      return `file ${node.problem.path} ${node.problem.rule}`;
    case "mediaAudit":
      return `mediaAudit ${node.place}`;
    case "mediaAuditEntry":
      return `mediaAudit ${node.row.path}`;
    case "probeCache":
      return "probeCache";
    case "managed":
      return `managed ${node.name}`;
    case "managedDirectory":
      return `managed ${node.cache} ${node.row.path}`;
    case "quarantine":
      return `quarantine ${node.cache}`;
    case "quarantined":
      return `quarantined ${node.row.place}`;
    case "engine":
    case "jellyfin":
      return `${node.type} ${node.name}`;
    case "container":
      return `container ${node.row.engine} ${node.row.containerId} ${node.row.path}`;
    case "channel":
      return `channel ${node.server} ${node.row.section}`;
    case "task":
      return `task ${node.server} ${node.row.key}`;
    case "fact":
      return `fact ${node.of} ${node.label}`;
    case "more":
      return `more ${idOf(node.parent)}`;
    case "message":
      return `message ${node.text}`;
  }
}
