--- moonpulse import: plans from the formats of others.
local as_json = require "moonpulse.cli.as_json"
local cli = require "moonpulse.cli"
local escapes = require "moonpulse.text.escapes"
local imports = require "moonpulse.bids.import"
local numbers = require "moonpulse.text.numbers"
local plan_file = require "moonpulse.protocol.plan_file"

local M = {}

function M.parser()
  local parser = cli.parser("import",
    "Make a plan file of the stimulation of a BIDS dataset: of a *_nibs.tsv with its events, of one row of "
      .. "it "
      .. "(FILE:ID), or of a row that is written out as column=value. What Moonpulse exported comes back as "
        .. "the "
      .. "very plan that was run; of others' rows inner layers are trains, and the outermost counts from "
        .. "onset to "
      .. "onset. Look at it with moonpulse show before you run it.",
    "moonpulse import bids study/sub-01/nibs/sub-01_task-stimulation_acq-itbs600_run-1_nibs.tsv\n"
      .. "moonpulse import bids 'nibs_event_id=mine pattern1_count=10 pattern1_interval=100 "
        .. "intensity_reference=rMT "
      .. "intensity_scaling=1.1' -o mine.plan")
  parser:argument("what", "The format."):choices({ "bids" }):argname("FORMAT")
  parser:argument("row", "A *_nibs.tsv, one row of it, or a row written out."):argname("FILE|FILE:ID|ROW")
  parser:option("-o --output", "The file; - is standard output. Default: the plan's id and .plan.")
    :argname("FILE.plan")
  parser:flag("--json", "What was written, as one JSON object (docs/schemas).")
  return parser
end

function M.run(options)
  local ok, text, whole = pcall(imports.read, options.row)
  if not ok then
    if type(text) == "table" then
      error(text, 0)
    end
    cli.fail("usage", "the row gives no plan: %s", (tostring(text):gsub("^%S+%.lua:%d+: ", "")))
  end
  if options.output == "-" and options.json then
    cli.fail("usage", "-o - prints the plan, and --json what was written: name a file")
  elseif options.output == "-" then
    io.stdout:write(text)
    return
  end
  local found = assert(plan_file.read(text, "the plan"))
  local path = options.output or (found.id or "imported"):gsub("[^%w_-]", "_") .. ".plan"
  local file, message = io.open(path, "wb")
  local written
  if file then
    written, message = file:write(text)
    written = file:close() and written
  end
  if not written then
    cli.fail("usage", "cannot write the plan: %s", message or path)
  end
  if options.json then
    return as_json.tell { what = "moonpulse import", file = path, id = found.id, pulses = found.pulses,
      sha256 = found.sha256, as_run = whole and true or false }
  end
  print(("%s: %s, SHA-256 %s%s"):format(escapes.shown(path), numbers.counted(found.pulses, "pulse"),
    found.sha256, whole and ": the plan that was run" or ": what the tables say, no plan that was run"))
end

return M
