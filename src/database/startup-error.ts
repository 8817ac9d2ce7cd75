/**
 * Something outside the program stands in the way of a start: a setting, a folder, a database. Its message is
 * one line for the person at the keyboard and says the way out; `main` prints it without a stack and exits.
 */
export class StartupError extends Error {
  override readonly name = 'StartupError';
}
