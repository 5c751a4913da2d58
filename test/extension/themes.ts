/** A theme as the editor hands it to a page: a class on the body, and variables on the root. */
export interface Theme {
  readonly name: string;
  readonly bodyClass: string;
  readonly variables: Readonly<Record<string, string>>;
}

const FONTS = {
  "--vscode-font-family": '"Segoe WPC", "Segoe UI", system-ui, Ubuntu, sans-serif',
  "--vscode-font-size": "13px",
  "--vscode-editor-font-family": '"Droid Sans Mono", monospace',
};

/** The values of VS Code's own themes, for what the pages use. High contrast leaves colors out, as the editor does. */
export const THEMES: readonly Theme[] = [
  {
    name: "dark",
    bodyClass: "vscode-dark",
    variables: {
      ...FONTS,
      "--vscode-foreground": "#cccccc",
      "--vscode-descriptionForeground": "#9d9d9d",
      "--vscode-errorForeground": "#f85149",
      "--vscode-focusBorder": "#0078d4",
      "--vscode-editor-background": "#1f1f1f",
      "--vscode-button-background": "#0078d4",
      "--vscode-button-foreground": "#ffffff",
      "--vscode-button-border": "#ffffff12",
      "--vscode-button-hoverBackground": "#026ec1",
      "--vscode-button-secondaryBackground": "#313131",
      "--vscode-button-secondaryForeground": "#cccccc",
      "--vscode-button-secondaryHoverBackground": "#3c3c3c",
      "--vscode-textLink-foreground": "#4daafc",
      "--vscode-progressBar-background": "#0078d4",
      "--vscode-editorWarning-foreground": "#cca700",
      "--vscode-charts-blue": "#59a4f9",
      "--vscode-charts-yellow": "#cca700",
    },
  },
  {
    name: "light",
    bodyClass: "vscode-light",
    variables: {
      ...FONTS,
      "--vscode-foreground": "#3b3b3b",
      "--vscode-descriptionForeground": "#3b3b3b",
      "--vscode-errorForeground": "#f85149",
      "--vscode-focusBorder": "#005fb8",
      "--vscode-editor-background": "#ffffff",
      "--vscode-button-background": "#005fb8",
      "--vscode-button-foreground": "#ffffff",
      "--vscode-button-border": "#0000001a",
      "--vscode-button-hoverBackground": "#0258a8",
      "--vscode-button-secondaryBackground": "#e5e5e5",
      "--vscode-button-secondaryForeground": "#3b3b3b",
      "--vscode-button-secondaryHoverBackground": "#cccccc",
      "--vscode-textLink-foreground": "#005fb8",
      "--vscode-progressBar-background": "#005fb8",
      "--vscode-editorWarning-foreground": "#bf8803",
      "--vscode-charts-blue": "#1a85ff",
      "--vscode-charts-yellow": "#bf8803",
    },
  },
  {
    name: "high-contrast",
    bodyClass: "vscode-high-contrast",
    variables: {
      ...FONTS,
      "--vscode-foreground": "#ffffff",
      "--vscode-descriptionForeground": "rgba(255, 255, 255, 0.7)",
      "--vscode-errorForeground": "#f48771",
      "--vscode-focusBorder": "#f38518",
      "--vscode-contrastBorder": "#6fc3df",
      "--vscode-editor-background": "#000000",
      "--vscode-button-foreground": "#ffffff",
      "--vscode-button-border": "#6fc3df",
      "--vscode-button-secondaryForeground": "#ffffff",
      "--vscode-textLink-foreground": "#21a6ff",
      "--vscode-progressBar-background": "#6fc3df",
      "--vscode-editorWarning-foreground": "#ffd370",
      "--vscode-charts-blue": "#59a4f9",
      "--vscode-charts-yellow": "#ffd370",
    },
  },
  {
    name: "high-contrast-light",
    bodyClass: "vscode-high-contrast-light vscode-high-contrast",
    variables: {
      ...FONTS,
      "--vscode-foreground": "#292929",
      "--vscode-descriptionForeground": "rgba(41, 41, 41, 0.7)",
      "--vscode-errorForeground": "#b5200d",
      "--vscode-focusBorder": "#006bbd",
      "--vscode-contrastBorder": "#0f4a85",
      "--vscode-editor-background": "#ffffff",
      "--vscode-button-background": "#0f4a85",
      "--vscode-button-foreground": "#ffffff",
      "--vscode-button-border": "#0f4a85",
      "--vscode-button-hoverBackground": "#0f4a85",
      "--vscode-button-secondaryBackground": "#ffffff",
      "--vscode-button-secondaryForeground": "#292929",
      "--vscode-textLink-foreground": "#0f4a85",
      "--vscode-progressBar-background": "#6fc3df",
      "--vscode-editorWarning-foreground": "#895503",
      "--vscode-charts-blue": "#1a85ff",
      "--vscode-charts-yellow": "#895503",
    },
  },
];
