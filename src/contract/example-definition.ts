/** What the `publish` step of the example is given. */
export const EXAMPLE_WITH = {
  run: 'echo "published $ROWS rows of $DAY"',
  env: { ROWS: '${{ size(steps.extract.output.rows) }}', DAY: '${{ input.day }}' },
};

/** The job of the story that the examples tell (see example-job.ts), as it is submitted. */
export const EXAMPLE_DEFINITION = {
  name: 'nightly-report',
  input: { day: '2026-11-20' },
  labels: { team: 'data' },
  timeout: '2h',
  defaults: { timeout: '5m', retry: { max_attempts: 3, delay: '2s' } },
  steps: [
    { name: 'extract', uses: 'value', with: { day: '${{ input.day }}', rows: [3, 4, 5] } },
    {
      name: 'publish',
      needs: ['extract'],
      if: 'size(steps.extract.output.rows) > 0',
      uses: 'shell',
      with: EXAMPLE_WITH,
    },
  ],
  output: { said: '${{ steps.publish.output.stdout }}' },
};

/** The smallest job: one step, in short. */
export const EXAMPLE_SHORT_DEFINITION = {
  name: 'hello',
  uses: 'shell',
  with: { run: 'echo hi' },
};

/** Two jobs at once. */
export const EXAMPLE_BATCH = { jobs: [EXAMPLE_DEFINITION, EXAMPLE_SHORT_DEFINITION] };
