/**
 * When a widget may speak: as soon as JupyterLab has the thread of the kernel on which widgets are answered.
 *
 * JupyterLab has a kernel answer widgets on a thread beside the one that runs cells, a subshell (JEP 91). It asks for
 * that thread when a kernel's first widget comes up, and what is sent sooner goes to the thread of the cells. There it
 * waits for a cell that computes. Worse, ipykernel 7.4 may take the cell that ran when it came for the one that runs
 * when it is answered: then what that next cell prints is shown under the one before, and JupyterLab waits for its end
 * for ever.
 */

const TARGET = "jupyter.widget";
const LONGEST = 1000; // ms; then it is sent to whatever thread there is

/** A promise that the kernel of this model has that thread; null where there is nothing to wait for. */
export function subshell(model, longest = LONGEST) {
  const kernel = model.widget_manager?.kernel;
  if (!kernel?.supportsSubshells || !kernel.createComm) return null;
  const comm = kernel.createComm(TARGET); // one more of the widgets' comms; it tells of their thread, and stays closed
  if (!comm.subshellStarted || comm.commsOverSubshells === "disabled") {
    comm.dispose();
    return null;
  }
  const enough = new Promise((resolve) => setTimeout(resolve, longest));
  return Promise.race([comm.subshellStarted, enough])
    .catch(() => {})
    .then(() => comm.dispose());
}
