import type { ActionContext } from 'holdfast-client';

/** Says `text` louder, for example `with: {text: "hello"}`. */
export default ({ input }: ActionContext<{ text: string }>) => ({ text: input.text.toUpperCase() });
