/** The job of the examples in the OpenAPI document and on the problem pages: one story, told once. */
export const EXAMPLE_JOB_ID = '019aa0c0-7a2e-7c3f-9d1b-2f6f5d3c1a10';
