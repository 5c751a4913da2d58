import type { Change } from "@cache-ops/shared";
import { formatBytes } from "@cache-ops/shared/units";
import * as vscode from "vscode";

import { sizeText } from "../caches/remote-words.ts";
import type { Editor } from "../editor.ts";
import { invokeShown, showError } from "../invoke.ts";
import { operationNamed } from "../operations.ts";
import { plain } from "../plain.ts";
import type { LeftAlone, PlanGroup, PlanOverview } from "../protocol.ts";
import { showRun } from "../run-result.ts";
import { explainRule } from "../words.ts";
import { openFileDiff, openPlanDiff, registerPlanDocuments } from "./diff.ts";
import { itemOf, type Node } from "./nodes.ts";

/** Directories shown at once; more come on request. */
const PAGE = 200;

/** How a run is called by the operation that planned it. */
const RUNS: Readonly<Record<string, string>> = { evict: "Eviction", empty: "Emptying", clear: "Clearing" };

/** The plan under review. */
interface Reviewed {
  readonly overview: PlanOverview;
  readonly groups: readonly PlanGroup[];
  /** Numbers of the changes that were taken out. */
  readonly unchecked: Set<number>;
  /** What it was made with, to make it again. */
  readonly input: Readonly<Record<string, unknown>>;
}

/** What a plan frees, and what it only puts aside, in sentences. */
function effectOf({ bytes, quarantinedBytes, groups }: PlanOverview): string {
  if (groups.rows.some(({ kind }) => kind === "jellyfin")) return "What it frees is not known.";
  if (groups.rows.some(({ kind }) => kind === "engine")) return `Frees ${sizeText(bytes)}.`;
  const freed = `${bytes < 0 ? "Takes" : "Frees"} ${formatBytes(Math.abs(bytes))}.`;
  if (quarantinedBytes === 0) return freed;
  const later = `${formatBytes(quarantinedBytes)} go to the quarantine, to be freed later.`;
  return bytes === 0 ? later : `${freed} ${later}`;
}

function leftAlone(rule: string, { what, observed }: LeftAlone["examples"][number]): string {
  return `${what}: ${explainRule(rule, observed) ?? `${rule.replaceAll("_", " ")} (${observed})`}`;
}

/** Says that nothing is to be done; of caches in containers and on servers also why, for there it need not be so for long. */
async function sayNothingToDo({ operation, skipped, troubles }: PlanOverview): Promise<void> {
  const isRemote = operation === "empty" || operation === "clear";
  const why = [
    ...troubles.map(({ path, message }) => `${path}: ${message}`),
    ...(isRemote ? skipped.flatMap(({ rule, examples }) => examples.map((each) => leftAlone(rule, each))) : []),
  ];
  const text = `Cache Ops: nothing to do. ${plain(why.slice(0, 3).join(" · "))}`.trim();
  if (troubles.length > 0) await vscode.window.showWarningMessage(text);
  else await vscode.window.showInformationMessage(text);
}

/** Registers the review: a plan as a tree with check boxes and as a diff, until it is applied or put aside. */
export function registerReview(editor: Editor): void {
  registerPlanDocuments(editor);
  const { engine, extension, log } = editor;
  const changed = new vscode.EventEmitter<Node | undefined>();
  let reviewed: Reviewed | undefined;

  const childrenOf = async (node: Node | undefined): Promise<Node[]> => {
    if (reviewed === undefined) return [];
    const { overview, groups } = reviewed;
    if (node?.type === "group") {
      const changes = await engine.request("changes", { plan: overview.plan, ids: node.group.ids });
      return changes.map((change) => ({ type: "change", group: node.group, change }));
    }
    if (node?.type === "skipped") {
      return overview.skipped.map((each) => ({
        type: "note",
        text: `${each.count.toLocaleString()} × ${each.rule.replaceAll("_", " ")}`,
        icon: "dash",
        more: each.examples.map((example) => leftAlone(each.rule, example)),
      }));
    }
    if (node !== undefined) return [];
    const { total } = overview.groups;
    return [
      ...overview.blocked.map((blocked) => ({ type: "guard", blocked }) as const),
      ...overview.troubles.map(
        ({ path, message }) => ({ type: "note", text: `${path}: ${message}`, icon: "warning" }) as const,
      ),
      ...groups.map((group) => ({ type: "group", group }) as const),
      ...(groups.length < total ? [{ type: "more", shown: groups.length, total } as const] : []),
      ...(overview.skipped.length > 0 ? [{ type: "skipped", overview } as const] : []),
    ];
  };

  const view = vscode.window.createTreeView<Node>("cacheOps.review", {
    treeDataProvider: {
      onDidChangeTreeData: changed.event,
      getTreeItem: (node) => itemOf(node, reviewed?.unchecked ?? new Set()),
      getChildren: async (node) => {
        try {
          return await childrenOf(node);
        } catch (error) {
          void showError(error, log);
          return [];
        }
      },
      getParent: (node) => (node.type === "change" ? { type: "group", group: node.group } : undefined),
    },
    manageCheckboxStateManually: true,
    showCollapseAll: true,
  });

  const describe = () => {
    if (reviewed === undefined) return;
    const { overview, unchecked } = reviewed;
    view.description = `${overview.operation} · ${overview.plan}`;
    const until = new Date(overview.expiresAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    const out = unchecked.size === 0 ? "" : ` ${unchecked.size.toLocaleString()} taken out by you.`;
    view.message = {
      ready: `Would ${plain(overview.acknowledge)}. ${effectOf(overview)}${out} Nothing was changed yet; valid until ${until}.`,
      empty: "Nothing to do.",
      blocked: "BLOCKED: this plan cannot be applied. Each cause below says what to do.",
    }[overview.status];
  };

  const show = async (next: Reviewed | undefined) => {
    reviewed = next;
    describe();
    changed.fire(undefined);
    await vscode.commands.executeCommand("setContext", "cacheOps.reviewStatus", next?.overview.status);
  };

  const open = async (plan: string, input: Reviewed["input"]) => {
    const overview = await engine.request("plan", { plan, offset: 0, limit: PAGE });
    await show({ overview, groups: overview.groups.rows, unchecked: new Set(), input });
    await vscode.commands.executeCommand("cacheOps.review.focus");
    if (overview.status === "empty") {
      void sayNothingToDo(overview);
      await show(undefined);
    }
    if (overview.status === "blocked") {
      const [first] = overview.blocked;
      void vscode.window.showWarningMessage(
        `Cache Ops: blocked. ${plain(`${first?.path}: ${first?.message} (${first?.observed})`)}. ${first?.advice}`,
      );
    }
  };

  /** The plan without what was taken out: the plan itself when that is nothing. */
  const narrowed = async ({ overview, unchecked }: Reviewed) => {
    const { plan, digest, operation, entries } = overview;
    if (unchecked.size === 0) return { plan, digest };
    const only = Array.from({ length: entries }, (_, index) => index + 1).filter((id) => !unchecked.has(id));
    const narrowing = "from" in operationNamed(operation).properties ? operation : "cleanup";
    const result = await invokeShown(editor, narrowing, { from: plan, only });
    return result?.output as { readonly plan: string; readonly digest: string } | undefined;
  };

  /** Asks before a plan that takes something away for good. */
  const mayLoseForGood = async (plan: string): Promise<boolean> => {
    const { forGood, losesRemote, operation, acknowledge } = await engine.request("plan", {
      plan,
      offset: 0,
      limit: 0,
    });
    const { directories, bytes } = forGood;
    if (losesRemote) {
      const title = operation === "empty" ? "Empty" : "Clear";
      const text = `${acknowledge.charAt(0).toUpperCase()}${acknowledge.slice(1)}.`;
      const more = "Each is looked at once more right before: what is in use then is left alone.";
      const modal = { modal: true, detail: `${plain(text)}\n${operation === "empty" ? more : ""}`.trim() };
      return (await vscode.window.showWarningMessage(`${title} for good?`, modal, title)) === title;
    }
    if (directories === 0) return true;
    const what = `${directories.toLocaleString()} ${directories === 1 ? "directory" : "directories"}`;
    const go = "Delete for Good";
    const question = `Delete ${what} (${formatBytes(bytes)}) for good?`;
    const detail = "This cannot be undone: nothing of it goes to the quarantine.";
    return (await vscode.window.showWarningMessage(question, { modal: true, detail }, go)) === go;
  };

  const apply = async () => {
    if (reviewed?.overview.status !== "ready") return;
    const current = reviewed;
    if (current.unchecked.size === current.overview.entries) {
      void vscode.window.showInformationMessage("Cache Ops: every change is taken out; there is nothing to apply.");
      return;
    }
    const chosen = await narrowed(current);
    if (chosen === undefined) return;
    const { plan, digest } = chosen;
    if (!(await mayLoseForGood(plan))) return;
    const result = await invokeShown(editor, "apply", { plan, digest, detail: "full" });
    if (result === undefined) return;
    if (reviewed === current) await show(undefined);
    await showRun(editor, RUNS[current.overview.operation] ?? "Cleanup", result);
  };

  const allow = async ({ blocked }: Extract<Node, { type: "guard" }>) => {
    const name = blocked.override;
    if (reviewed === undefined || name === null) return;
    const { overview, input } = reviewed;
    const typed = await vscode.window.showInputBox({
      title: `Pass over the guard ${name}, for this plan only`,
      prompt: `${blocked.message} (${blocked.observed}). ${blocked.advice} Type ${name} to go on all the same.`,
      ignoreFocusOut: true,
      validateInput: (text) => (text === name ? undefined : `Type ${name}.`),
    });
    if (typed !== name) return;
    const before = Array.isArray(input["allow"]) ? (input["allow"] as string[]) : [];
    await vscode.commands.executeCommand(`cacheOps.${overview.operation}`, { ...input, allow: [...before, name] });
  };

  const more = async () => {
    if (reviewed === undefined) return;
    const { overview, groups } = reviewed;
    const page = await engine.request("plan", { plan: overview.plan, offset: groups.length, limit: PAGE });
    reviewed = { ...reviewed, groups: [...groups, ...page.groups.rows] };
    changed.fire(undefined);
  };

  const check = (items: readonly (readonly [Node, vscode.TreeItemCheckboxState])[]) => {
    if (reviewed === undefined) return;
    for (const [node, state] of items) {
      const ids = node.type === "group" ? node.group.ids : node.type === "change" ? [node.change.id] : [];
      for (const id of ids) {
        if (state === vscode.TreeItemCheckboxState.Checked) reviewed.unchecked.delete(id);
        else reviewed.unchecked.add(id);
      }
    }
    describe();
    changed.fire(undefined);
  };

  const askForPlan = async () =>
    vscode.window.showInputBox({
      title: operationNamed("apply").title,
      prompt: "Id of a plan, as the command line or an agent gave it. It is opened for review first.",
      placeHolder: "plan-…",
      validateInput: (text) => (/^plan-\S+$/.test(text) ? undefined : "A plan's id begins with plan-."),
    });

  const command = (name: string, work: (...args: never[]) => Promise<unknown>) =>
    vscode.commands.registerCommand(`cacheOps.review.${name}`, async (...args: never[]) => {
      try {
        await work(...args);
      } catch (error) {
        await showError(error, log);
      }
    });

  extension.subscriptions.push(
    view,
    changed,
    view.onDidChangeCheckboxState(({ items }) => check(items)),
    command("open", async (given?: { readonly plan?: string; readonly input?: Reviewed["input"] }) => {
      const plan = given?.plan ?? (await askForPlan());
      if (plan !== undefined) await open(plan, given?.input ?? {});
    }),
    command("apply", apply),
    command("discard", () => show(undefined)),
    command("more", more),
    command("allow", allow),
    command("diff", async () => {
      if (reviewed === undefined) return;
      const chosen = await narrowed(reviewed);
      if (chosen !== undefined) await openPlanDiff(editor, chosen.plan);
    }),
    command("diffOne", async ({ id, cache }: Change) => {
      if (reviewed === undefined) return;
      const { plan } = reviewed.overview;
      // Media that moved changes two files: the one the entry is cut from is shown.
      const { rows } = await engine.request("files", { plan, limit: 10, change: id });
      const file = rows.find((row) => row.file === cache) ?? rows.at(-1);
      if (file !== undefined) await openFileDiff(plan, file);
    }),
  );
}
