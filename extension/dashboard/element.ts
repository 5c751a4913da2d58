/** Properties of an element: attributes, and listeners for clicks. `false` and `undefined` leave an attribute out. */
export interface Properties {
  readonly [attribute: string]: string | number | boolean | undefined | (() => void);
}

/** What can stand in an element. Strings become text, whatever they hold. */
export type Child = Node | string | false | undefined;

/** Makes an element. */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  properties: Properties = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(properties)) {
    if (typeof value === "function") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value !== undefined) made.setAttribute(attribute, String(value));
  }
  made.append(...children.filter((child) => child !== false && child !== undefined));
  return made;
}

/** A name that somebody else gave: its direction does not reach what stands around it. */
export function foreign(text: string): HTMLElement {
  return element("bdi", {}, text);
}

/** A part of the page with its heading. Without children that count it is left out: use `&&`. */
export function section(id: string, title: string, ...children: readonly Child[]): HTMLElement {
  const heading = element("h2", { id: `${id}-title`, tabindex: -1 }, title);
  return element("section", { id, "aria-labelledby": heading.id }, heading, ...children);
}
