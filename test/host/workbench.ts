import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { env } from "node:process";
import { stripVTControlCharacters } from "node:util";

import { errors, type Locator, type Page } from "playwright-core";

import { openWindow, type WindowOptions } from "./browser.ts";
import { isChecked, QuickInput, whole } from "./quick-input.ts";
import { startServer, type Server, type ServerOptions } from "./server.ts";

/** Themes in VS Code: how settings name them, how the person sees them, what the page says of their kind. */
export const THEMES = {
  dark: { id: "Dark Modern", label: "Dark Modern", class: "vs-dark" },
  light: { id: "Light Modern", label: "Light Modern", class: "vs" },
  contrast: { id: "Default High Contrast", label: "Dark High Contrast", class: "hc-black" },
} as const;

export type Theme = keyof typeof THEMES;

export type WorkbenchOptions = ServerOptions & WindowOptions & { readonly theme?: Theme };

const PATIENCE_MS = 15_000;
const START_MS = 90_000;

/** A VS Code with one window, driven as a person would. What goes wrong ends in an error that names a picture of it. */
export class Workbench {
  readonly page: Page;
  readonly server: Server;
  readonly quickInput: QuickInput;
  readonly #close: () => Promise<void>;

  private constructor(server: Server, page: Page, close: () => Promise<void>) {
    this.server = server;
    this.page = page;
    page.setDefaultTimeout(PATIENCE_MS);
    this.quickInput = new QuickInput(page);
    this.#close = close;
  }

  /** Starts a server, opens its window and waits until it can be used. */
  static async open({ theme = "dark", ...options }: WorkbenchOptions = {}): Promise<Workbench> {
    const settings = { "workbench.colorTheme": THEMES[theme].id, ...options.settings };
    const server = await startServer({ ...options, settings });
    try {
      return await Workbench.#openWindow(server, options, () => server.stop());
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** Opens one more window on the same server, in a browser of its own; closing it leaves the server running. */
  async another(options: WindowOptions = {}): Promise<Workbench> {
    return Workbench.#openWindow(this.server, options, async () => undefined);
  }

  static async #openWindow(server: Server, options: WindowOptions, stop: () => Promise<void>): Promise<Workbench> {
    const window = await openWindow(server, options);
    const close = async () => {
      await window.close();
      await stop();
    };
    const workbench = new Workbench(server, window.page, close);
    try {
      // The status bar tells of the remote once the extension host answered.
      const ready = window.page.locator(".monaco-workbench .statusbar-item");
      await workbench.step("open the workbench", () => ready.first().waitFor({ timeout: START_MS }));
      return workbench;
    } catch (error) {
      await window.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#close();
  }

  /** Does something; if that fails, takes a picture and says where it is. */
  async step<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      const picture = await this.screenshot(`failed ${what}`).catch((cause: unknown) => `none, ${String(cause)}`);
      const reason = stripVTControlCharacters(error instanceof Error ? error.message : String(error));
      throw new Error(`${what}: ${reason}\nPicture: ${picture}`, { cause: error });
    }
  }

  /** Opens what an icon of the activity bar stands for. */
  async openView(title: string): Promise<void> {
    await this.step(`open the view ${title}`, async () => {
      const tab = this.page.locator(".activitybar .action-item").filter({
        has: this.page.locator(`a[aria-label="${title}"], a[aria-label^="${title} "]`),
      });
      await tab.waitFor({ timeout: START_MS });
      if (!/\bchecked\b/.test((await tab.getAttribute("class")) ?? "")) await tab.locator("a.action-label").click();
      await this.page.locator(`.sidebar .title-label`, { hasText: title }).waitFor();
    });
  }

  /** A view in the side bar or the panel, by its name. */
  view(name: string): Locator {
    const header = this.page.locator(
      `.pane-header[aria-label="${name} Section"], .pane-header[aria-label^="${name} - "]`,
    );
    return this.page.locator(".pane").filter({ has: header });
  }

  /** A row of a tree, by its label alone. Rows out of sight are not there: see `reveal`. */
  row(label: string | RegExp, view?: string): Locator {
    const scope = view === undefined ? this.page.locator(".customview-tree") : this.view(view);
    const name = this.page.locator(".label-name", { hasText: whole(label) });
    return scope.locator("[role=treeitem]").filter({ has: name }).first();
  }

  /** Scrolls a tree from its top until a row is in sight. */
  async reveal(label: string | RegExp, view: string): Promise<Locator> {
    const row = this.row(label, view);
    return this.step(`find ${label} in ${view}`, async () => {
      const tree = this.view(view).locator(".monaco-list").first();
      await tree.locator("[role=treeitem]").first().waitFor();
      if (await row.isVisible()) return row;
      await tree.hover();
      await this.page.mouse.wheel(0, -1_000_000);
      for (let last = ""; ;) {
        await this.page.waitForTimeout(100);
        if (await row.isVisible()) return row;
        const shown = (await tree.locator("[role=treeitem]").allTextContents()).join("\n");
        if (shown === last) throw new Error(`there is no such row; last rows:\n${shown}`);
        last = shown;
        await this.page.mouse.wheel(0, ((await tree.boundingBox())?.height ?? 200) * 0.8);
      }
    });
  }

  /** Expands a row, or collapses it, and waits until it is. */
  async expand(label: string | RegExp, view?: string, expanded = true): Promise<void> {
    await this.step(`expand ${label}`, async () => {
      const row = this.row(label, view);
      await row.waitFor();
      if ((await row.getAttribute("aria-expanded")) === String(expanded)) return;
      await row.locator(".monaco-tl-twistie").click();
      await row.and(this.page.locator(`[aria-expanded="${expanded}"]`)).waitFor();
    });
  }

  /** Ticks the checkbox of a row, or unticks it, and waits until it is. */
  async setChecked(label: string | RegExp, checked: boolean, view?: string): Promise<void> {
    await this.step(`${checked ? "tick" : "untick"} ${label}`, async () => {
      const box = this.row(label, view).locator("[role=checkbox]").first();
      await box.waitFor();
      if ((await isChecked(box)) === checked) return;
      await box.click();
      await box.and(this.page.locator(`[aria-checked="${checked}"]`)).waitFor();
    });
  }

  async isChecked(label: string | RegExp, view?: string): Promise<boolean> {
    return isChecked(this.row(label, view).locator("[role=checkbox]").first());
  }

  /** Clicks an action that shows on a row when the pointer is over it. */
  async rowAction(label: string | RegExp, action: string, view?: string): Promise<void> {
    await this.step(`${action} on ${label}`, async () => {
      const row = this.row(label, view);
      await row.hover();
      await row.locator(`.actions a[aria-label^="${action}"]`).click();
    });
  }

  /** Takes an entry of the menu that a right click on a row opens. */
  async rowMenu(label: string | RegExp, entry: string, view?: string): Promise<void> {
    await this.step(`${entry} in the menu of ${label}`, async () => {
      await this.row(label, view).click({ button: "right" });
      const item = this.page.locator(".monaco-menu .action-label", { hasText: whole(entry) }).first();
      await item.waitFor();
      // A menu lets the clicks of its first moment pass, for they are often those that opened it.
      await this.page.waitForTimeout(300);
      await item.click();
      await item.waitFor({ state: "hidden" });
    });
  }

  /** Clicks an action in the title of a view. */
  async viewAction(view: string, action: string): Promise<void> {
    await this.step(`${action} of ${view}`, async () => {
      const pane = this.view(view);
      await pane.hover();
      const inPane = pane.locator(`.pane-header a[aria-label^="${action}"]`);
      const inTitle = this.page.locator(`.sidebar .composite.title a[aria-label^="${action}"]`);
      await inPane.or(inTitle).filter({ visible: true }).first().click();
    });
  }

  /** Runs a command by its title as the palette shows it, with the category: `Cache Ops: Check Caches`. */
  async runCommand(title: string): Promise<void> {
    await this.step(`run the command ${title}`, async () => {
      await this.#openPalette(`>${title}`);
      const item = this.quickInput.item(title).first();
      // A command is there once its extension is known.
      await item.waitFor();
      if (/\bfocused\b/.test((await item.getAttribute("class")) ?? "")) await this.quickInput.accept();
      else await item.click();
    });
  }

  /** The keys are lost while the workbench is busy with its start, and a view that takes the focus closes the box. */
  async #openPalette(text: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      await this.page.keyboard.press("F1");
      const shown = this.quickInput.box.locator(".quick-input-filter input:visible");
      try {
        await shown.fill(text, { timeout: 2000 });
        return;
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
    }
  }

  /** Waits for a toast and returns its element, in the list of notifications where VS Code shows it only there. */
  async toast(text: string | RegExp): Promise<Locator> {
    const places = ".notifications-toasts .notification-list-item, .notifications-center .notification-list-item";
    const toast = this.page
      .locator(places)
      .filter({ has: this.page.locator(".notification-list-item-message", { hasText: text }) })
      .first();
    try {
      await toast.waitFor({ timeout: PATIENCE_MS });
    } catch (error) {
      if (!(error instanceof errors.TimeoutError)) throw error;
      await this.runCommand("Notifications: Show Notifications");
      await this.step(`wait for the toast ${text}`, () => toast.waitFor({ timeout: PATIENCE_MS }));
    }
    return toast;
  }

  /** Clicks a button in a toast. */
  async answerToast(text: string | RegExp, button: string): Promise<void> {
    const toast = await this.toast(text);
    const choice = toast.locator(".notification-list-item-buttons-container a", { hasText: whole(button) });
    await this.step(`${button} in the toast ${text}`, () => choice.click());
  }

  /** Removes all toasts; those that tell of progress are hidden. */
  async dismissToasts(): Promise<void> {
    if ((await this.page.locator(".notification-toast, .notifications-center.visible").count()) === 0) return;
    await this.runCommand("Notifications: Clear All Notifications");
    const toasts = this.page.locator(".notifications-toasts.visible");
    await this.step("dismiss toasts", () => toasts.waitFor({ state: "hidden" }));
    // VS Code shows no more than a few toasts in 0.8 s; the rest goes unseen into its list.
    await this.page.waitForTimeout(900);
  }

  /** Clicks a button of the modal dialog that says this. */
  async answerDialog(text: string | RegExp, button: string | RegExp): Promise<void> {
    await this.step(`${button} in the dialog ${text}`, async () => {
      const dialog = this.page.locator(".monaco-dialog-box").filter({ hasText: text });
      await dialog.waitFor({ timeout: START_MS });
      await dialog.locator("a.monaco-button, .monaco-text-button", { hasText: whole(button) }).click();
      await dialog.waitFor({ state: "hidden" });
    });
  }

  /** Takes a picture, in the directory CACHE_OPS_SCREENSHOTS or a temporary one, and returns its path. */
  async screenshot(name: string): Promise<string> {
    // Toasts fade in and icons are drawn late.
    await this.page.waitForTimeout(700);
    const path = join(pictures(), `${name.replaceAll(/[^\w.-]+/g, "-").slice(0, 80)}.png`);
    await this.page.screenshot({ path });
    return path;
  }

  /** Changes the theme, by the command for that: VS Code does not watch the settings on the disk of its server. */
  async setTheme(theme: Theme): Promise<void> {
    await this.step(`change to the ${theme} theme`, async () => {
      await this.runCommand("Preferences: Color Theme");
      await this.quickInput.type(THEMES[theme].label);
      await this.quickInput.pick(THEMES[theme].label);
      await this.quickInput.closed();
      await this.page.locator(`.monaco-workbench.${THEMES[theme].class}`).waitFor();
    });
  }

  /** The whole text of the active editor, through the clipboard. */
  async editorText(): Promise<string> {
    return this.step("read the editor", async () => {
      const editor = this.page.locator(".editor-group-container.active .monaco-editor[role=code]").last();
      await editor.locator(".view-lines").click({ position: { x: 5, y: 5 } });
      await this.page.evaluate(() => navigator.clipboard.writeText(""));
      await this.page.keyboard.press("Control+A");
      await this.page.keyboard.press("Control+C");
      return this.page.evaluate(() => navigator.clipboard.readText());
    });
  }

  /** Labels of the open editors. */
  async tabs(): Promise<string[]> {
    return this.page.locator(".tabs-container .tab .label-name").allInnerTexts();
  }
}

let directory: string | undefined;

function pictures(): string {
  directory ??= env["CACHE_OPS_SCREENSHOTS"] ?? mkdtempSync(join(tmpdir(), "cache-ops-screenshots-"));
  mkdirSync(directory, { recursive: true });
  return directory;
}
