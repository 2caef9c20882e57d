--- moonpulse recover: the record of a run that was killed.
local as_json = require "moonpulse.cli.as_json"
local beside = require "moonpulse.xdf.beside"
local cli = require "moonpulse.cli"
local default_place = require "moonpulse.record.default_place"
local device_folders = require "moonpulse.record.device_folders"
local escapes = require "moonpulse.text.escapes"
local json = require "moonpulse.text.sorted_json"
local numbers = require "moonpulse.text.numbers"
local offers = require "moonpulse.rerun.offer"
local records = require "moonpulse.cli.records_option"
local recover = require "moonpulse.record.recover"
local reports = require "moonpulse.report"
local rooms = require "moonpulse.text.room"
local seals = require "moonpulse.record.seal"

local M = {}

function M.parser()
  local parser = cli.parser("recover",
    "Write events.tsv of a run that was killed (SIGKILL, power, out of memory) from its flight "
      .. "record, and mark the run as interrupted. A pulse that was being written when the process "
      .. "died is listed as perhaps_sent. Of a run that ended, the report is written where it is "
      .. "missing, and events.tsv where it is missing or too short.",
    "moonpulse recover ~/.local/share/moonpulse/runs/2026-11-22T101500_itbs600\n"
      .. "moonpulse recover 2026-11-22T101500_itbs600 --device ./mine.lua")
  parser:argument("run", "The run: " .. records.named .. "."):argname("RUN")
  parser:option("--device", "The run's driver, where it is a file: it has the words for the device's replies "
    .. "(else \"confirmed\" is written), and is loaded only where you name it, because a record may be "
    .. "somebody else's. Also for a run that was recovered without."):argname("FILE")
  parser:flag("--json", "The result as one JSON object (docs/schemas).")
  return parser
end

--- Names and texts of somebody else may be in it.
local function say(text, ...)
  print(escapes.shown(select("#", ...) > 0 and text:format(...) or text, true))
end

--- It was sealed before, and nobody but a person can know what became of the seal.
local function say_lost(summary)
  local names = table.concat(summary.differed, ", ")
  say("its seal (SHA256SUMS) was missing, and had been there: %s", names == ""
    and "every file is as its journal says that it was sealed"
    or names == seals.name and "nothing tells how the files were, so moonpulse verify goes on saying so"
    or names .. " is not as it was then; moonpulse verify goes on saying so, and the run counts as edited")
end

local function say_seal(summary)
  if summary.lost then
    say_lost(summary)
  end
  if summary.sealed then
    say("sealed: %s (note it elsewhere; moonpulse verify compares)", seals.short(summary.sealed))
  elseif summary.not_sealed then
    say("not sealed: %s; %s, and recover again", summary.not_sealed, rooms.remedy(summary.not_sealed))
  end
end

--- As data. Of a run that ended nothing is recovered: nothing was sent that is told here.
local function data_of(folder, summary)
  local notes = json.list { table.unpack(summary.said or {}) }
  notes[#notes + 1] = beside.owed(folder)
  return { what = "moonpulse recover", folder = folder, recovered = summary.sent ~= nil,
    pulses = summary.sent and { planned = summary.planned, sent = summary.sent, confirmed = summary.confirmed,
      skipped = summary.skipped } or nil,
    notes = notes, safe = summary.safe, driver_not_loaded = summary.unloaded,
    report = summary.report, report_problem = summary.no_report or nil,
    seal = summary.sealed or nil, not_sealed = summary.not_sealed or nil }
end

--- What goes on with it, where anything does; of several devices moonpulse resume names the command.
local function say_rest(folder, summary)
  local several = device_folders.of(folder)[1] ~= nil
  if several or summary.sent == 0 or not (summary.scripted or summary.sent < summary.planned) then
    return
  end
  local command, why = offers.of(default_place.absolute(folder))
  if command then
    say("%s goes on with the rest, if there is any", command)
  elseif summary.ended then
    say("nothing goes on with it: run it again, where there is room for its record")
  else
    say("nothing goes on with it: %s", why)
  end
end

function M.run(options)
  local folder = records.run(options.run)
  local summary, message = recover.run(folder, options.device, reports.writer(folder),
    reports.page(folder))
  if not summary then
    cli.fail("usage", "%s", message)
  end
  if options.json then
    return as_json.tell(data_of(folder, summary))
  end
  if summary.report then
    say("%s: its run ended, there is nothing to recover; its report was missing, and is written: %s",
      folder, summary.report)
  elseif summary.described then
    say("%s: its run ended, there is nothing to recover; events.json was missing, and is written", folder)
  elseif not summary.sent then
    say("%s: its run ended, there is nothing to recover%s", folder, summary.lost and ""
      or "; it was not sealed")
  end
  if summary.cut then
    say("%s; nothing can write the rest", summary.cut)
  end
  local xdf = beside.owed(folder)
  if not summary.sent then
    say_seal(summary)
    return xdf and say("%s", xdf)
  end
  local of = " of " .. (summary.scripted and numbers.counted(summary.planned, "pulse")
    .. " that the script asked for" or numbers.counted(summary.planned, "planned pulse"))
  if summary.sent > summary.planned then -- what was planned cannot be read any more
    of = (summary.sent == 1 and " pulse" or " pulses") .. ", more than what is left says was planned"
  end
  say("recovered %s%s: %s confirmed by the device, %s skipped", numbers.count(summary.sent), of,
    numbers.count(summary.confirmed), numbers.count(summary.skipped))
  for _, sentence in ipairs(summary.said) do
    say(sentence)
  end
  if not summary.disarmed and not summary.virtual then
    say("NOT CONFIRMED SAFE: the record does not say that the stimulator was disarmed%s: look at its panel",
      summary.safe and "" or "; the guard process sends the safe frame when Moonpulse dies")
  end
  if summary.unloaded then
    -- somebody else's text: nothing but a plain path is shown as something to type
    local file = summary.unloaded:match("^[%w%._/][%w%._/%-]*$") or "FILE"
    say("the run's driver is a file, %s, and no file that a record names is loaded: replies are written "
      .. "as \"confirmed\". For its words, if it is yours: moonpulse recover %s --device %s",
      escapes.text(summary.unloaded), options.run, file)
  end
  if summary.no_report then
    say(summary.no_report)
  end
  say_seal(summary)
  say(folder .. "/events.tsv")
  if xdf then
    say("%s", xdf)
  end
  say_rest(folder, summary)
end

return M
