--- moonpulse recover: the record of a run that was killed.
local cli = require "moonpulse.cli"
local outline = require "moonpulse.outline"
local recover = require "moonpulse.recover"

local M = {}

function M.parser()
  local parser = cli.parser("recover",
    "Write events.tsv of a run that was killed (SIGKILL, power, out of memory) from its flight "
      .. "record, and mark the run as interrupted. A pulse that was being written when the process "
      .. "died is listed as perhaps_sent.",
    "moonpulse recover runs/2026-11-22T101500_itbs600")
  parser:argument("run", "The folder of the run."):argname("RUN")
  return parser
end

function M.run(options)
  local folder = options.run:gsub("/+$", "")
  local summary, message = recover.run(folder)
  if not summary then
    cli.fail("usage", "%s", message)
  end
  require("moonpulse.report").write(folder)
  print(("recovered %s of %s planned pulses: %s confirmed by the device, %s skipped"):format(
    outline.count(summary.sent), outline.count(summary.planned), outline.count(summary.confirmed),
    outline.count(summary.skipped)))
  if summary.torn > 0 then
    print(("%d records were torn and could not be read"):format(summary.torn))
  end
  if not summary.safe then
    print("the record ends before the safe frame; the guard process sends it when Moonpulse dies")
  end
  print(folder .. "/events.tsv")
end

return M
