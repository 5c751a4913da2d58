import type { Locator, Page } from "playwright-core";

/** The box that drops down from the title: palette, choices, questions for a text. */
export class QuickInput {
  readonly #page: Page;
  readonly box: Locator;
  readonly #field: Locator;

  constructor(page: Page) {
    this.#page = page;
    this.box = page.locator(".quick-input-widget:visible");
    this.#field = this.box.locator(".quick-input-filter input:visible");
  }

  /** Waits for it, by its title if one is given. */
  async opened(title?: string): Promise<void> {
    const box = title === undefined ? this.box : this.box.filter({ has: this.#page.getByText(title, { exact: true }) });
    await box.waitFor();
  }

  async closed(): Promise<void> {
    await this.box.waitFor({ state: "hidden" });
  }

  /** Replaces what is in the field. */
  async type(text: string): Promise<void> {
    await this.#field.fill(text);
  }

  /** The row of a choice. Rows out of sight are not there: type to narrow them down. */
  item(label: string | RegExp): Locator {
    const name = this.#page.locator(".quick-input-list-label .label-name", { hasText: whole(label) });
    return this.box.locator(".quick-input-list .monaco-list-row").filter({ has: name });
  }

  /** Labels of the choices in sight. */
  async items(): Promise<string[]> {
    await this.box.locator(".quick-input-list .monaco-list-row").first().waitFor();
    return this.box
      .locator(".quick-input-list .monaco-list-row .quick-input-list-row:first-child .label-name")
      .allInnerTexts();
  }

  /** Takes one of the choices. */
  async pick(label: string | RegExp): Promise<void> {
    await this.item(label).first().click();
  }

  /** Ticks a choice, where several can be taken; or unticks it. */
  async check(label: string | RegExp, checked = true): Promise<void> {
    const box = this.item(label).first().locator("[role=checkbox], input[type=checkbox]").first();
    await box.waitFor();
    if ((await isChecked(box)) !== checked) await box.click();
  }

  /** Enter. */
  async accept(): Promise<void> {
    await this.#field.press("Enter");
  }

  /** Escape. */
  async cancel(): Promise<void> {
    await this.#field.press("Escape");
    await this.closed();
  }

  /** What it says below the field: the prompt, or what is wrong with the text. */
  async message(): Promise<string> {
    return this.box.locator(".quick-input-message").innerText();
  }
}

/** For `hasText`: the whole text, not a part of it. */
export function whole(label: string | RegExp): RegExp {
  return label instanceof RegExp ? label : new RegExp(`^\\s*${RegExp.escape(label)}\\s*$`);
}

export async function isChecked(box: Locator): Promise<boolean> {
  return (await box.getAttribute("aria-checked")) === "true";
}
