/** What the page is made of. Every part is an address or a word of the editor's, never text of others. */
export interface PageParts {
  readonly script: string;
  readonly style: string;
  /** Where styles may come from: the webview's `cspSource`. */
  readonly source: string;
  readonly nonce: string;
  /** Language tag for numbers and dates. */
  readonly locale: string;
}

/** The page before its script fills it. Nothing but that script runs in it, and nothing is fetched but its style. */
export function pageHtml({ script, style, source, nonce, locale }: PageParts): string {
  const policy = [
    "default-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    `style-src ${source}`,
    `script-src 'nonce-${nonce}'`,
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en" data-locale="${attribute(locale)}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${attribute(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${attribute(style)}">
<title>Cache Ops</title>
</head>
<body>
<header>
<div>
<h1>Cache Ops</h1>
<p id="looked"></p>
<p id="progress" aria-hidden="true"></p>
</div>
<button type="button" id="refresh" class="secondary">Refresh</button>
<p id="status" role="status"></p>
</header>
<div id="working" class="idle" aria-hidden="true"></div>
<main id="content"></main>
<script nonce="${attribute(nonce)}" src="${attribute(script)}"></script>
</body>
</html>
`;
}

function attribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
