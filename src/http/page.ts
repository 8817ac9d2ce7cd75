import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** A part of a page. Texts may hold `code` between backquotes. */
export type Block =
  | { kind: 'heading' | 'text' | 'code'; text: string }
  /** Paths of this server, each with a few words about it. */
  | { kind: 'links'; links: { path: string; about: string }[] };

/** A small page for people: complete in itself, without scripts and without anything from elsewhere. */
export interface Page {
  title: string;
  blocks: Block[];
}

const STYLE = `
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em/1.5 ui-monospace, monospace; }
pre { padding: 0.75rem 1rem; overflow-x: auto; border: 1px solid #8885; border-radius: 6px; }
li { margin: 0.2rem 0; }
`;
// The page says by the hash of its own style that no other is to be used.
const POLICY =
  `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Answers with a page: as HTML to whoever names `text/html`, as browsers do, as Markdown to everybody else. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: Page): FastifyReply {
  reply.header('vary', 'accept');
  if (!/\btext\/html\b/i.test(request.headers.accept ?? '')) {
    return reply.type('text/markdown; charset=utf-8').send(toMarkdown(page, baseUrl(request)));
  }
  return reply.header('content-security-policy', POLICY).type('text/html; charset=utf-8').send(toHtml(page));
}

/** How the client has called this server; the host has been checked before. HTTP/1.0 may leave it out: empty then. */
export function baseUrl({ protocol, headers }: FastifyRequest): string {
  return headers.host === undefined ? '' : `${protocol}://${headers.host}`;
}

function toMarkdown({ title, blocks }: Page, base: string): string {
  const parts = blocks.map((block) => {
    if (block.kind === 'links') {
      const width = Math.max(...block.links.map(({ path }) => path.length));
      return block.links.map(({ path, about }) => `- ${base}${path.padEnd(width)}  ${about}`).join('\n');
    }
    if (block.kind === 'heading') return `## ${block.text}`;
    return block.kind === 'code' ? `\`\`\`\n${block.text}\n\`\`\`` : block.text;
  });
  return `${[`# ${title}`, ...parts].join('\n\n')}\n`;
}

function toHtml({ title, blocks }: Page): string {
  const parts = blocks.map((block) => {
    if (block.kind === 'links') {
      const items = block.links.map(({ path, about }) => {
        const shown = escapeHtml(path);
        return `<li><a href="${shown}"><code>${shown}</code></a> ${inline(about)}</li>`;
      });
      return `<ul>\n${items.join('\n')}\n</ul>`;
    }
    if (block.kind === 'heading') return `<h2>${inline(block.text)}</h2>`;
    return block.kind === 'code' ? `<pre>${escapeHtml(block.text)}</pre>` : `<p>${inline(block.text)}</p>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)} · Holdfast</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${inline(title)}</h1>
${parts.join('\n')}
</body>
</html>
`;
}

function inline(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
