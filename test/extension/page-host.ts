import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";

import axe from "axe-core";
import type { Browser, Page } from "playwright-core";

import { pageHtml } from "../../extension/dashboard/html.ts";
import type { FromPage, ToPage } from "../../extension/dashboard/messages.ts";
import { launchBrowser } from "../host/browser.ts";
import type { Theme } from "./themes.ts";

const DIST = fileURLToPath(new URL("../../extension/dist/", import.meta.url));

/** What the stand-in for the editor noted on the page. */
interface Noted {
  readonly sent: FromPage[];
  readonly violations: string[];
  state: unknown;
}

/** The built page in a browser, with a stand-in for the editor. */
export interface ShownPage {
  readonly page: Page;
  /** What the page sent so far. */
  sent(): Promise<readonly FromPage[]>;
  tell(message: ToPage): Promise<void>;
  /** What the page kept for when it is shown again. */
  state(): Promise<unknown>;
  /** Breaches of the page's own policy so far. */
  violations(): Promise<readonly string[]>;
  /** What axe finds wrong, one line a finding. */
  axe(): Promise<readonly string[]>;
  errors(): readonly string[];
}

/** How a page is shown. */
export interface Showing {
  readonly theme: Theme;
  readonly width?: number;
  readonly height?: number;
  readonly state?: unknown;
  readonly locale?: string;
  readonly reducesMotion?: boolean;
}

/** Serves the built page and opens it as often as a test wants. */
export interface PageHost {
  show(showing: Showing): Promise<ShownPage>;
  close(): Promise<void>;
}

declare global {
  var noted: Noted;
}

/** Starts server and browser. */
export async function startPageHost(): Promise<PageHost> {
  let locale = "en";
  const server = createServer((request, response) => {
    const name = new URL(request.url ?? "/", "http://localhost").pathname.slice(1);
    const { port } = server.address() as AddressInfo;
    const source = `http://127.0.0.1:${port}`;
    if (name === "") {
      const html = pageHtml({ script: "dashboard.js", style: "dashboard.css", source, nonce: "bm9uY2U=", locale });
      response.setHeader("content-type", "text/html").end(html);
    } else if (name === "dashboard.js" || name === "dashboard.css") {
      response
        .setHeader("content-type", name.endsWith("css") ? "text/css" : "text/javascript")
        .end(readFileSync(`${DIST}${name}`));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const browser = await launchBrowser();
  return {
    async show(showing) {
      locale = showing.locale ?? "en";
      return showPage(browser, `http://127.0.0.1:${port}/`, showing);
    },
    async close() {
      await browser.close();
      server.close();
      server.closeAllConnections();
    },
  };
}

async function showPage(
  browser: Browser,
  url: string,
  { theme, width = 1000, height = 800, state, reducesMotion = false }: Showing,
): Promise<ShownPage> {
  const page = await browser.newPage({
    viewport: { width, height },
    timezoneId: "UTC",
    reducedMotion: reducesMotion ? "reduce" : "no-preference",
  });
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.stack ?? error.message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.addInitScript((kept: unknown) => {
    const own: Noted = { sent: [], violations: [], state: kept };
    globalThis.noted = own;
    document.addEventListener("securitypolicyviolation", (event) =>
      own.violations.push(`${event.violatedDirective} ${event.blockedURI}`),
    );
    Object.assign(globalThis, {
      acquireVsCodeApi: () => ({
        postMessage: (message: FromPage) => own.sent.push(message),
        getState: () => own.state,
        setState: (state: unknown) => void (own.state = structuredClone(state)),
      }),
    });
  }, state);
  // The theme is there before the page's script runs.
  await page.addInitScript(dressPage, theme);
  await page.goto(url);
  return {
    page,
    errors: () => errors,
    sent: () => page.evaluate(() => globalThis.noted.sent),
    state: () => page.evaluate(() => globalThis.noted.state),
    violations: () => page.evaluate(() => globalThis.noted.violations),
    tell: (message) =>
      page.evaluate((data) => void globalThis.dispatchEvent(new MessageEvent("message", { data })), message),
    async axe() {
      await page.evaluate(axe.source);
      const { violations } = await page.evaluate(() =>
        (globalThis as unknown as { readonly axe: typeof axe }).axe.run(),
      );
      return violations.flatMap(({ id, help, nodes }) =>
        nodes.map((node) => `${id} (${help}): ${node.html} ${node.failureSummary ?? ""}`),
      );
    },
  };
}

/** Changes the theme of a page that is shown. */
export async function changeTheme({ page }: ShownPage, theme: Theme): Promise<void> {
  await page.evaluate(dressPage, theme);
}

/** Runs in the page. */
function dressPage({ bodyClass, variables }: Theme): void {
  const dress = () => {
    document.documentElement.removeAttribute("style");
    for (const [name, value] of Object.entries(variables)) document.documentElement.style.setProperty(name, value);
    document.body.className = bodyClass;
  };
  if (document.body !== null) {
    dress();
    return;
  }
  new MutationObserver((_, observer) => {
    if (document.body === null) return;
    observer.disconnect();
    dress();
  }).observe(document, { childList: true, subtree: true });
}

/** Waits until something holds, and fails with what was there last when it does not. */
export async function eventually<T>(look: () => Promise<T>, holds: (seen: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries += 1) {
    const seen = await look();
    if (holds(seen)) return seen;
    assert.ok(tries < 100, `still ${JSON.stringify(seen)}`);
    await new Promise((resolve) => void setTimeout(resolve, 50));
  }
}
