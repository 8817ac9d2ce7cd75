import { EXAMPLE_DEFINITION, EXAMPLE_SHORT_DEFINITION } from '../contract/example-definition.ts';
import type { Examples } from './finish-document.ts';

const IN_YAML = `name: nightly-report
input: {day: "2026-11-20"}
labels: {team: data}
timeout: 2h
defaults:
  timeout: 5m
  retry: {max_attempts: 3, delay: 2s}
steps:
  - name: extract
    uses: value
    with: {day: "\${{ input.day }}", rows: [3, 4, 5]}
  - name: publish
    needs: [extract]
    if: size(steps.extract.output.rows) > 0
    uses: shell
    with:
      run: echo "published $ROWS rows of $DAY"
      env:
        ROWS: \${{ size(steps.extract.output.rows) }}
        DAY: \${{ input.day }}
output:
  said: \${{ steps.publish.output.stdout }}
`;

const IN_TOML = `name = "nightly-report"
input = {day = "2026-11-20"}
labels = {team = "data"}
timeout = "2h"
output = {said = "\${{ steps.publish.output.stdout }}"}

[defaults]
timeout = "5m"
retry = {max_attempts = 3, delay = "2s"}

[[steps]]
name = "extract"
uses = "value"
with = {day = "\${{ input.day }}", rows = [3, 4, 5]}

[[steps]]
name = "publish"
needs = ["extract"]
if = "size(steps.extract.output.rows) > 0"
uses = "shell"
with.run = 'echo "published $ROWS rows of $DAY"'
with.env.ROWS = "\${{ size(steps.extract.output.rows) }}"
with.env.DAY = "\${{ input.day }}"
`;

/** One job in every format that a definition may have; and, as the first to be tried, the smallest there is. */
export const DEFINITION_EXAMPLES: Record<string, Examples> = {
  'application/json': {
    hello: { summary: 'One step', value: EXAMPLE_SHORT_DEFINITION },
    'nightly-report': {
      summary: 'Two steps, of which the second reads the first',
      value: EXAMPLE_DEFINITION,
    },
  },
  'application/yaml': { 'nightly-report': { summary: 'The same in YAML', value: IN_YAML } },
  'application/toml': { 'nightly-report': { summary: 'The same in TOML', value: IN_TOML } },
};
