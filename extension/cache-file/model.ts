import { dirname } from "node:path";

import type { InspectedEntry, Inspection } from "@cache-ops/shared";

import * as vscode from "vscode";

import type { Editor } from "../editor.ts";
import { errorText } from "../engine.ts";
import { textToInspect } from "./text.ts";

/** Which documents are cache files. Only files of this host: nothing else has media beside it. */
export const CACHE_FILES: vscode.DocumentFilter = { scheme: "file", pattern: "**/.mediabox_cache.json" };

/** What is known of an open cache file, at one version of its document. */
export interface Seen {
  readonly version: number;
  /** `undefined` while it was not looked into, for the reason that `obstacle` gives. */
  readonly inspection: Inspection | undefined;
  readonly obstacle: "too_large" | "failed" | undefined;
}

/** The open cache files and what is known of each. */
export interface CacheFiles {
  /** What is known of the document as it is now, once it was looked into; `undefined` when it was closed or cancelled. */
  look(document: vscode.TextDocument, token: vscode.CancellationToken): Promise<Seen | undefined>;
  /** What is known of the document as it is now, without waiting for more. */
  known(document: vscode.TextDocument): Seen | undefined;
  /** The entry at a position and all of its text, once the document was looked into; `undefined`: there is none. */
  entryAt(
    document: vscode.TextDocument,
    position: vscode.Position,
    token: vscode.CancellationToken,
  ): Promise<{ readonly entry: InspectedEntry; readonly range: vscode.Range } | undefined>;
  /** Looks into a document that is too large to be looked into by itself. */
  insist(uri: vscode.Uri): void;
  /** Fires when more is known of a document, and when it is closed. */
  readonly onDidLook: vscode.Event<vscode.TextDocument>;
}

/** Larger documents are looked into only on request, in UTF-16 characters. */
const MAX_LENGTH = 20_000_000;
/** How long edits, and changes of media, are gathered before a document is looked into again, in milliseconds. */
const EDIT_MS = 300;
const MEDIA_MS = 1000;

interface Tracked {
  readonly document: vscode.TextDocument;
  readonly changed: vscode.EventEmitter<void>;
  seen: Seen | undefined;
  isInsisted: boolean;
  /** How long the last look took, in milliseconds: large documents are looked into less often. */
  tookMs: number;
  timer: NodeJS.Timeout | undefined;
  running: vscode.CancellationTokenSource | undefined;
  watcher: vscode.Disposable | undefined;
}

/** Follows the open cache files. The worker is started when there is one, not before. */
export function followCacheFiles({ extension, engine, libraries, log }: Editor): CacheFiles {
  const files = new Map<string, Tracked>();
  const looked = new vscode.EventEmitter<vscode.TextDocument>();

  const settle = (file: Tracked, seen: Seen) => {
    file.seen = seen;
    file.changed.fire();
    looked.fire(file.document);
  };

  const inspect = async (file: Tracked) => {
    const { document } = file;
    const { version } = document;
    const whole = document.getText();
    if (whole.length > MAX_LENGTH && !file.isInsisted) {
      settle(file, { version, inspection: undefined, obstacle: "too_large" });
      return;
    }
    const text = textToInspect(whole, document);
    const source = new vscode.CancellationTokenSource();
    file.running = source;
    const began = performance.now();
    let seen: Seen;
    try {
      const params = { cache: document.uri.fsPath, ...(text === undefined ? {} : { text }) };
      const inspection = await engine.request("inspect", params, { token: source.token });
      seen = { version, inspection, obstacle: undefined };
      file.tookMs = performance.now() - began;
    } catch (error) {
      if (!source.token.isCancellationRequested) log.warn(`${document.uri.fsPath}: ${errorText(error)}`);
      seen = { version, inspection: undefined, obstacle: "failed" };
    } finally {
      if (file.running === source) file.running = undefined;
      source.dispose();
    }
    // A late answer is about a text that is no more; a newer look is on its way.
    if (!source.token.isCancellationRequested && document.version === version && !document.isClosed) settle(file, seen);
  };

  /** Looks soon, and no matter what was begun before. */
  const renew = (file: Tracked, delayMs: number) => {
    clearTimeout(file.timer);
    file.running?.cancel();
    file.timer = setTimeout(() => {
      file.timer = undefined;
      void inspect(file);
    }, delayMs);
  };

  /** Looks soon, after what was begun before: media that keeps changing must not keep a look from its end. */
  const renewLater = (file: Tracked) => {
    file.timer ??= setTimeout(() => {
      file.timer = undefined;
      if (file.running === undefined) void inspect(file);
      else renewLater(file);
    }, MEDIA_MS);
  };

  const open = (document: vscode.TextDocument) => {
    if (vscode.languages.match(CACHE_FILES, document) === 0) return;
    const file: Tracked = {
      document,
      changed: new vscode.EventEmitter(),
      seen: undefined,
      isInsisted: false,
      tookMs: 0,
      timer: undefined,
      running: undefined,
      watcher: undefined,
    };
    files.set(document.uri.toString(), file);
    renew(file, 0);
  };

  const close = (document: vscode.TextDocument) => {
    const file = files.get(document.uri.toString());
    if (file === undefined) return;
    files.delete(document.uri.toString());
    clearTimeout(file.timer);
    file.running?.cancel();
    file.watcher?.dispose();
    file.seen = undefined;
    file.changed.fire();
    file.changed.dispose();
    looked.fire(document);
  };

  /** Media is watched while somebody sees the document. */
  const watchVisible = () => {
    const visible = new Set(vscode.window.visibleTextEditors.map(({ document }) => document.uri.toString()));
    for (const [uri, file] of files) {
      if (visible.has(uri) && file.watcher === undefined) {
        file.watcher = watchMedia(file.document, () => renewLater(file));
        // Media may have changed meanwhile, also while the watcher was being set up.
        renewLater(file);
      } else if (!visible.has(uri)) {
        file.watcher?.dispose();
        file.watcher = undefined;
      }
    }
  };

  const trackedOf = (document: vscode.TextDocument) => files.get(document.uri.toString());
  const known = (document: vscode.TextDocument) => {
    const file = trackedOf(document);
    return file?.seen?.version === document.version ? file.seen : undefined;
  };

  extension.subscriptions.push(
    looked,
    vscode.workspace.onDidOpenTextDocument((document) => {
      open(document);
      watchVisible();
    }),
    vscode.workspace.onDidCloseTextDocument(close),
    vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      const file = trackedOf(document);
      if (file !== undefined && contentChanges.length > 0) renew(file, Math.max(EDIT_MS, file.tookMs));
    }),
    // What an unsaved buffer hides, such as bytes that are no UTF-8, counts again once it is saved.
    vscode.workspace.onDidSaveTextDocument((document) => {
      const file = trackedOf(document);
      if (file !== undefined) renew(file, EDIT_MS);
    }),
    vscode.window.onDidChangeVisibleTextEditors(watchVisible),
    libraries.onDidLook((directories) => {
      for (const file of files.values())
        if (directories?.includes(dirname(file.document.uri.fsPath)) !== false) renewLater(file);
    }),
    {
      dispose: () => {
        for (const { document } of files.values()) close(document);
      },
    },
  );
  vscode.workspace.textDocuments.forEach(open);
  watchVisible();

  return {
    known,
    onDidLook: looked.event,
    insist(uri) {
      const file = files.get(uri.toString());
      if (file === undefined) return;
      file.isInsisted = true;
      renew(file, 0);
    },
    async entryAt(document, position, token) {
      const seen = await this.look(document, token);
      const offset = document.offsetAt(position);
      const entry = seen?.inspection?.entries.find(({ start, end }) => start <= offset && offset < end);
      if (entry === undefined) return undefined;
      return { entry, range: new vscode.Range(document.positionAt(entry.start), document.positionAt(entry.end)) };
    },
    look(document, token) {
      const file = trackedOf(document);
      const seen = known(document);
      if (file === undefined || seen !== undefined) return Promise.resolve(seen);
      return new Promise((resolve) => {
        const end = () => {
          changes.dispose();
          cancelling.dispose();
          resolve(token.isCancellationRequested ? undefined : known(document));
        };
        const changes = file.changed.event(end);
        const cancelling = token.onCancellationRequested(end);
      });
    },
  };
}

function watchMedia({ uri }: vscode.TextDocument, onChange: () => void): vscode.Disposable {
  const directory = vscode.Uri.file(dirname(uri.fsPath));
  const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(directory, "*"));
  const changed = (file: vscode.Uri) => {
    // The document itself says when it changes.
    if (file.fsPath !== uri.fsPath) onChange();
  };
  return vscode.Disposable.from(
    watcher,
    watcher.onDidCreate(changed),
    watcher.onDidChange(changed),
    watcher.onDidDelete(changed),
  );
}
