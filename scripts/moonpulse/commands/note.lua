--- moonpulse note: what the operator has to say of a run that is over.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local escapes = require "moonpulse.text.escapes"
local notes = require "moonpulse.record.note"
local noting = require "moonpulse.cli.noting"
local records = require "moonpulse.cli.records_option"
local safety_options = require "moonpulse.cli.safety_options"
local seals = require "moonpulse.record.seal"

local M = {}

function M.parser()
  local parser = cli.parser("note",
    "Note something about a run that is over: its audit trail (journal.jsonl) gets a line with the time, the "
      .. "operator and the text, manifest.json and report.html show it, and the folder is sealed again. "
      .. "Nothing can be taken out again. While a run goes on it is refused: note it when it has ended.",
    "moonpulse note 2026-11-22T101500_itbs600 \"coil slipped at min 3, put back\" --operator AB")
  parser:argument("run", "The run: " .. records.named .. "."):argname("RUN")
  parser:argument("text", ("The note, in quotes: one line of at most %d characters."):format(notes.most))
    :argname("TEXT")
  parser:option("--operator", "Who notes it."):argname("CODE"):convert(safety_options.code "--operator")
  parser:option("--key", "Of a run that is signed: the private key that signs it anew, as for sign.")
    :argname("KEY")
  parser:flag("--json", "The result as one JSON object (docs/schemas).")
  return parser
end

function M.run(options)
  local problem = notes.problem(options.text)
  if problem then
    cli.fail("usage", "%s", problem)
  end
  local folder = records.run(options.run)
  local done = noting.write(folder, { text = options.text:match("^%s*(.-)%s*$"), operator = options.operator,
    key = options.key })
  if options.json then
    done.what, done.folder = "moonpulse note", folder
    return as_json.tell(done)
  end
  print(escapes.shown(("noted in %s; seal %s (note it elsewhere; the one before was %s)"):format(folder,
    seals.short(done.seal), seals.short(done.seal_before)), true))
end

return M
