import { chromium, type Browser, type Page } from "playwright-core";

import { findChromium } from "./programs.ts";
import type { Server } from "./server.ts";

/** What a workbench is opened with. */
export interface WindowOptions {
  /** The folder or `.code-workspace` file to open; none for an empty window. */
  readonly folder?: string;
  /** Development extension, by the directory of its package.json. */
  readonly extension?: string;
  /** Module with an exported `run`, started in the extension host. Dialogs are then refused. */
  readonly tests?: string;
  readonly width?: number;
  readonly height?: number;
  /** Comes before the workbench is loaded. */
  readonly prepare?: (page: Page) => Promise<void>;
}

/** A workbench in a browser of its own. */
export interface Window {
  readonly page: Page;
  /** Console lines of the page, for reports of failure. */
  console(): string;
  close(): Promise<void>;
}

/** Opens a workbench and returns once the page is there, which is before the workbench is. */
export async function openWindow(server: Server, options: WindowOptions = {}): Promise<Window> {
  const { folder, width = 1280, height = 800 } = options;
  const browser = await launchBrowser();
  try {
    const context = await browser.newContext({ viewport: { width, height } });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    const lines: string[] = [];
    page.on("console", (message) => lines.push(message.text()));
    await options.prepare?.(page);
    await develop(page, await findAuthority(server.url), options);
    const url = new URL(server.url);
    if (folder === undefined) url.searchParams.set("ew", "true");
    else url.searchParams.set(folder.endsWith(".code-workspace") ? "workspace" : "folder", folder);
    await page.goto(url.href, { waitUntil: "commit" });
    return { page, console: () => lines.join("\n"), close: () => browser.close() };
  } catch (error) {
    await browser.close();
    throw error;
  }
}

/** A headless Chromium that ends with this process. */
export async function launchBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined)
    throw new Error("There is no Chromium. Install it (apt-get install chromium) or name one in CHROMIUM.");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--no-first-run"],
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
}

/** The authority in the workbench's own URIs. */
async function findAuthority(url: string): Promise<string> {
  const html = await (await fetch(url)).text();
  const found = /id="vscode-workbench-web-configuration" data-settings="([^"]*)"/.exec(html)?.[1];
  if (found === undefined) throw new Error(`${url} is no workbench: ${html.slice(0, 200)}`);
  return (JSON.parse(found.replaceAll("&quot;", '"')) as { remoteAuthority: string }).remoteAuthority;
}

/**
 * Puts the development extension and the tests into the configuration that the workbench reads from its page. Unlike
 * the address's `payload` this needs no flag on the server, and toasts stay as people see them.
 */
async function develop(page: Page, authority: string, { extension, tests }: WindowOptions): Promise<void> {
  const locate = (path: string) => ({ $mid: 1, scheme: "vscode-remote", authority, path });
  const options = {
    ...(extension === undefined ? {} : { extensions: [locate(extension)] }),
    ...(tests === undefined ? {} : { extensionTestsPath: locate(tests) }),
  };
  await page.addInitScript((extra) => {
    // oxlint-disable-next-line typescript/unbound-method
    const original = Element.prototype.getAttribute;
    Element.prototype.getAttribute = function getAttribute(name) {
      const value = original.call(this, name);
      if (value === null || name !== "data-settings" || this.id !== "vscode-workbench-web-configuration") return value;
      const configuration = JSON.parse(value) as { developmentOptions?: object };
      configuration.developmentOptions = { ...configuration.developmentOptions, ...extra };
      return JSON.stringify(configuration);
    };
  }, options);
}
