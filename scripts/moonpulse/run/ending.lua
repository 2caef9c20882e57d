--- How a run ends: its last lines, the manifest's result, the exit status.
local blame = require "moonpulse.text.author_line"
local core = require "moonpulse.core"
local disturbed = require "moonpulse.record.disturbed"
local escapes = require "moonpulse.text.escapes"
local faults = require "moonpulse.simulation.faults"
local ignored = require "moonpulse.record.ignored"
local keeping = require "moonpulse.run.keeping"
local lfs = require "lfs"
local manifests = require "moonpulse.run.manifest"
local numbers = require "moonpulse.text.numbers"
local refusals = require "moonpulse.text.refusal"
local stop_words = require "moonpulse.text.stop_words"
local stops = require "moonpulse.run.stop_sources"

local M = {}

--- Closing is loaded when there is something to close: a run's start does not wait for it.
local function sealing()
  return require "moonpulse.run.sealing"
end

local code_of = {} -- what an exit status is called
for code, status in pairs(refusals.status) do
  code_of[status] = code
end

--- A line for the operator.
---@param key string at its beginning
---@param text string a format if values follow
function M.line(key, text, ...)
  print(("%-12s"):format(key) .. escapes.shown(select("#", ...) > 0 and text:format(...) or text))
end

--- How many pulses were left out, and why.
local function skipped_text(record)
  local parts = {}
  for reason, count in pairs(record.skipped_by) do
    parts[#parts + 1] = ("%d %s"):format(count, reason)
  end
  table.sort(parts)
  return #parts > 0 and (", %d skipped (%s)"):format(record.pulses_skipped,
    table.concat(parts, ", ")) or ""
end

--- Pulses that no onset error speaks of.
local function unmeasured_text(count)
  return count > 0 and (" (%s %s timed by the stimulator: not measured)"):format(
    numbers.counted(count, "pulse"), count == 1 and "was" or "were") or ""
end

--- The manifest's result. Where the disk did not take the record, what is there stays as it is: the flight
--- record has everything, and recover makes a run whole that is not marked as ended.
---@param kept boolean what scripts have read until the end is in sources/
---@param problem any why it is not
---@return string? lost what could not be written
local function save(context, result, kept, problem)
  local record = context.record
  if record.lost then
    return record.lost
  end
  local ok = kept
  if ok then
    ok, problem = pcall(manifests.write, context, result.status, result)
  end
  if not ok and type(problem) ~= "table" then
    error(problem, 0)
  end
  return not ok and problem.message or nil
end

--- What makes it whole, as it is typed; loaded when it is needed.
local function to_recover(folder)
  return require("moonpulse.text.to_type").recover(folder)
end

--- Loaded when it is needed, too.
local function remedy_of(why)
  return require("moonpulse.text.room").remedy(why)
end

--- What to do about a record that is not whole.
local function remedy(record, lost)
  if not lfs.attributes(record.folder, "mode") then
    return "the run's folder is gone; if it was moved: moonpulse recover FOLDER, where it is now"
  end
  if record.changed then
    return record.flight and "flight.bin has every pulse: " .. to_recover(record.folder)
      or "run it again"
  end
  local room = remedy_of(lost)
  return record.flight and ("%s, then: %s"):format(room, to_recover(record.folder))
    or room .. ", or name another folder with --out DIR, and run it again"
end

--- Tell the operator at once what the disk does not take; the run goes on where the flight record, whose room
--- was taken before, has it all.
---@param context moonpulse.Context
function M.tell_losses(context)
  local record = context.record
  record.on_lost = function(lost)
    io.stderr:write(("\nmoonpulse: note: %s: %s\n"):format(escapes.shown(lost), record.flight
      and "the run goes on, and flight.bin has every pulse; " .. remedy(record, lost) .. " when it has ended"
      or remedy(record, lost)))
  end
end

--- Of one simulator: faults that were asked for and did not happen.
local function say_unmet_of(text, path, place)
  local asked = text and faults.parse(text) or {}
  local log = asked[1] and io.open(path)
  if log then
    local met = {}
    for line in log:lines() do
      local kind = line:match("\tfault\t[^\t]*\t([^\t]*)")
      met[kind or 0] = (met[kind or 0] or 0) + 1
    end
    log:close()
    for _, fault in ipairs(asked) do
      met[fault.kind] = (met[fault.kind] or 0) - 1
      if met[fault.kind] < 0 then
        M.line("note", "the fault %s%s@%d did not happen: there was no such pulse, or no reply to it",
          place and place .. "=" or "", fault.kind, fault.at)
      end
    end
  end
end

--- Faults that were asked for and did not happen: no result of a run speaks of them.
local function say_unmet(context)
  local device, folder = context.device, context.record.folder
  say_unmet_of(device.faults, folder .. "/twin.tsv")
  for _, each in ipairs(device.devices or {}) do
    say_unmet_of(each.faults, ("%s/%s/twin.tsv"):format(folder, each.place), each.place)
  end
end

--- What the stop threw away with what a port still held, for all that anybody knows.
local function say_discarded(record)
  if record.perhaps > 0 then
    M.line("note", "%s perhaps never left: the stop threw away what the port still held, or the port was "
      .. "lost; events.tsv has %s as perhaps_sent", numbers.counted(record.perhaps, "pulse"),
      record.perhaps == 1 and "it" or "them")
  end
end

--- Pulses that the device should confirm and did not, as far as anybody knows, where no fault names them.
local function say_unsure(record, outcome, complete)
  local count, first = record.left_sent.count, record.left_sent.first
  if count > 0 and not outcome.fault then
    local one = count == 1
    M.line("note", "%s sent, and no answer came that is surely %s and in time: events.tsv has %s as sent, "
      .. "not as delivered%s", one and ("pulse %d was"):format(first)
      or ("%s, from pulse %d on, were"):format(numbers.counted(count, "pulse"), first),
      one and "its own" or "theirs", one and "it" or "them",
      complete and "; did the line or this computer stall?" or "")
  end
end

--- What was sent and not done: a simulator that ignores a command says so in its log only.
local function say_ignored(context)
  local count, why = ignored.count(context.record)
  if count > 0 then
    M.line("note", "the simulator ignored %s of the run (%s): see twin.tsv",
      numbers.counted(count, "command"), why)
  end
end

--- Did it come to its end, and what is its exit status called? A fault of the device is the reason also if
--- something else stopped the run before it was found: one reason, with its own words, remedy and status.
local function settle(outcome)
  if outcome.fault and not outcome.code and core.stops[outcome.stop].status ~= refusals.status.fault then
    outcome.stop, outcome.text = "device", nil
  end
  if outcome.code then -- a script's error or a refusal
    return false, outcome.code
  elseif outcome.fault or outcome.not_disarmed then
    return false, "fault"
  end
  local status = core.stops[outcome.stop].status
  return status == refusals.status.ok, code_of[status]
end

--- Of several devices those that confirm nothing: their pulses are not missing.
local function silent_text(device)
  local names = {}
  for _, each in ipairs(device and device.devices or {}) do
    names[#names + 1] = each.confirms == false and each.place or nil
  end
  return names[1] and (" (%s cannot confirm any)"):format(table.concat(names, " and ")) or ""
end

--- What was sent, how exactly, and how the device was left.
local function say_result(context, outcome, result, complete)
  local late = result.lateness_us
  M.line("sent", "%s of %s, %s confirmed by the device%s%s", numbers.count(result.pulses_sent),
    numbers.counted(result.pulses_planned, "pulse"), numbers.count(result.pulses_confirmed),
    silent_text(context.device), skipped_text(context.record))
  local plays = context.job.plays -- of a script, whose plans were judged as they came
  if plays and plays.verdict == "OVER" and result.pulses_sent > 0 then
    M.line("verdict", "OVER: the report says of what%s", context.device.simulated
      and not context.job.policy.beyond and "; on a stimulator it would have been refused" or "")
  end
  if context.record.pulses_external > 0 then
    M.line("outside", "%s of them fired by an external device",
      numbers.count(context.record.pulses_external))
  end
  if late and #context.record.onset_errors + context.record.punctual == 1 then -- one has no percentiles
    M.line("onset error", "%s, of 1 pulse%s", numbers.seconds(late.max / 1e6),
      unmeasured_text(context.record.pulses_unmeasured))
  elseif late then
    M.line("onset error", "p50 %s, p95 %s, p99 %s, largest %s%s", numbers.seconds(late.p50 / 1e6),
      numbers.seconds(late.p95 / 1e6), numbers.seconds(late.p99 / 1e6),
      numbers.seconds(late.max / 1e6), unmeasured_text(context.record.pulses_unmeasured))
  end
  if context.triggers_text then
    M.line("triggers", "%s", context.triggers_text)
  end
  local codes = context.record.codes
  if codes and codes.sent + codes.lost > 0 then
    M.line("event codes", "%s of %s given to the box", numbers.count(codes.sent),
      numbers.count(codes.sent + codes.lost))
  end
  if outcome.took_s then
    M.line("took", "%s, %s times real time", numbers.seconds(outcome.took_s),
      numbers.count(math.floor(outcome.virtual_s / math.max(outcome.took_s, 1e-9) + 0.5)))
  end
  if outcome.disarmed then
    M.line("disarmed", "%s", context.job.driver.disarmed or "the stimulator says that it is disabled")
  end
  say_unsure(context.record, outcome, complete)
  say_discarded(context.record)
  say_unmet(context)
  say_ignored(context)
end

--- How many pulses of how many: of an experiment only what its script asked for so far is known.
local function so_far(context, sent, planned)
  if not context.experiment then
    return ("%d of %d %s"):format(sent, planned, planned == 1 and "pulse" or "pulses")
  end
  return sent == planned and numbers.counted(sent, "pulse")
    or ("%d of the %s asked for so far"):format(sent, numbers.counted(planned, "pulse"))
end

--- A run that did not come to its end: why, and what was given. Of one that was only looked at nothing was.
local function stopped(context, outcome, result, code)
  if context.look then
    refusals.raise(code, "%s", result.reason)
  end
  local planned = context.facts.pulses
  local left = outcome.disarmed and "; " .. (context.job.driver.disarmed or "the stimulator is disarmed")
  -- a sentence of its own (where in the script, what to do) is not run on
  local told = outcome.text and outcome.stop ~= "requested"
  local cure = outcome.text and "" or stop_words.remedy(outcome.stop, context.experiment)
  if told then
    refusals.raise(code, "%s; %s %s sent%s%s", result.reason, so_far(context, result.pulses_sent, planned),
      planned == 1 and "was" or "were", cure, left or "")
  end
  refusals.raise(code, "%s after %s%s%s", result.reason, so_far(context, result.pulses_sent, planned), cure,
    left or "")
end

--- The run's own record is not whole: what the simulator wrote may not be, either.
local function say_cut(folder)
  local cut = require("moonpulse.record.witnessed").cut(folder)
  if cut then
    M.line("note", "%s; nothing can write the rest", cut)
  end
end

--- The XDF file that --xdf asks for.
local function write_xdf(folder)
  local beside = require "moonpulse.xdf.beside" -- loaded for who asks for it
  local ok, why = beside.write(folder)
  if ok then
    M.line("xdf", "%s/%s", folder, beside.name)
  else
    M.line("note", "%s: the record is whole without it; %s, then: moonpulse export xdf %s", why,
      remedy_of(why), require("moonpulse.text.to_type").path(folder))
  end
end

--- The report is written, before the folder is sealed, and the record's path is said; then what else was
--- asked for.
local function report_and_record(folder, with_xdf)
  local path, why = require("moonpulse.report").write(folder)
  M.line("record", folder .. (path and "  (report.html, events.tsv)" or "  (events.tsv)"))
  if not path then
    M.line("note", "%s: the record is whole without it; %s, then: %s", why, remedy_of(why),
      to_recover(folder))
  end
  if with_xdf then
    write_xdf(folder)
  end
end

--- What is left of a run that broke off can be given: of an experiment what its script decides. What is
--- offered is what resume would take, by its own judgement of the folder.
local function say_resume(context, result)
  local job = context.job
  if result.status == "completed" or context.look or job.several then
    return
  elseif context.experiment and not (job.can_go_on and result.stop ~= "requested") then
    return
  elseif not context.experiment then
    if not job.plan then
      return
    end
    -- loaded for who stopped
    local remainders = require "moonpulse.compose.remainder"
    local known, trial = pcall(remainders.trial_after, job.plan, job.seed,
      (result.pulses_sent or 0) + (result.pulses_skipped or 0))
    if not (known and trial and pcall(remainders.of, job.plan, job.seed, { what = "trial", number = trial }))
    then
      return
    end
  end
  local inputs = job.inputs or {}
  if not inputs.offer then
    return
  end
  local trigger = job.driver.trigger
  local told, command = pcall(inputs.offer, context.record.folder, { port = context.device.port,
    trigger_in = inputs.trigger_in, trigger_baud = inputs.trigger_baud, trigger = trigger and trigger.text,
    codes = job.codes and job.codes.text, answers = inputs.answers, events = inputs.events,
    sign = inputs.sign })
  if told and command then
    M.line("resume", "%s goes on with the rest", command)
  end
end

--- The last lines, the manifest's result, and the exit status.
---@param context moonpulse.Context
---@param outcome moonpulse.Ended
function M.conclude(context, outcome)
  local record, planned = context.record, context.facts.pulses
  local result = record:result()
  local complete, code = settle(outcome)
  result.status = code == "fault" and "device fault" or complete and "completed" or "stopped"
  local whole = outcome.stop == "finished" and not outcome.code -- also where the device was not left safe
  result.reason = whole and (context.completed or stop_words.words "finished")
    or stops.explain(context, outcome)
  local ended = result.reason
  if outcome.not_disarmed then
    result.reason = ("%s; NOT CONFIRMED SAFE: %s"):format(ended, outcome.not_disarmed)
  end
  result.stop = outcome.stop
  result.pulses_planned, result.disarmed = planned, outcome.disarmed
  result.elapsed_s = outcome.elapsed_s
  result.virtual = outcome.took_s and { took_s = outcome.took_s, plan_s = outcome.virtual_s }
  if context.speed ~= 1 then
    result.lateness_us = nil -- nothing was measured
  end
  record.on_lost = nil -- nothing goes on: it is told below
  record:close()
  if record.markers then
    record.markers:finish(outcome.stop)
  end
  local kept, problem = pcall(keeping.more, context) -- the journal's last line names it
  sealing().end_journal(context, outcome.stop, result.status, result)
  result.events_sum = record.events_sum
  result.files = disturbed.all(record, context.journal)
  local lost = save(context, result, kept, problem)
  if not lost then
    core.phase "closed"
  end
  say_result(context, outcome, result, complete)
  if lost then
    say_cut(record.folder)
    refusals.raise(code == "ok" and "stopped" or code, "the record is not whole: %s; %s (the run: %s)", lost,
      remedy(record, lost), result.reason)
  end
  if not context.look then -- nobody reads the report of what was only looked at
    report_and_record(record.folder, context.xdf)
  end
  sealing().seal(context)
  say_resume(context, result)
  for _, note in ipairs(result.files or {}) do
    M.line("note", "%s", escapes.shown(note))
  end
  if outcome.not_disarmed then
    refusals.raise("fault", "NOT CONFIRMED SAFE: %s%s", outcome.not_disarmed,
      whole and "" or "; the run ended because: " .. ended)
  elseif not complete then
    stopped(context, outcome, result, code)
  end
end

--- An error's words and the name of its exit status.
local function text_and_code(problem)
  if type(problem) ~= "table" then
    return blame.text(problem), "fault"
  end
  local code = rawget(problem, "code")
  return blame.text(problem), refusals.status[code] and code or "fault"
end

--- Faults while connecting or arming: nothing has been sent, or it was made safe.
---@param context moonpulse.Context
---@param action fun(): moonpulse.Ended
---@return moonpulse.Ended
function M.attempt(context, action)
  local ok, outcome = xpcall(action, function(problem)
    if type(problem) ~= "string" then
      return problem
    end
    return os.getenv("MOONPULSE_TRACE") and debug.traceback(problem, 2) or problem
  end)
  if ok then
    return outcome
  end
  core.phase "closing"
  context.screen:finish(0, context.record.pulses_sent)
  local text, code = text_and_code(outcome)
  if code == "fault" and require("moonpulse.text.room").is_short(text) then -- no device has a fault
    text, code = ("%s: %s, or name another folder with --out DIR"):format(text, remedy_of(text)), "limit"
  end
  if context.record.pulses_sent > 0 then -- it was run
    return M.conclude(context, { stop = code == "fault" and "device" or "error",
      fault = code == "fault" and text or nil, text = text, code = code ~= "fault" and code or nil })
  end
  if refusals.is_stopped(outcome) then -- before there was anything to arm
    text = stops.explain(context, { stop = outcome.reason }) .. " before arming; no pulse was sent"
  end
  local declined = type(outcome) == "table" and rawget(outcome, "declined")
  local result = {
    status = declined and "declined" or code == "stopped" and "stopped" or code == "limit" and "refused"
      or "device fault",
    stop = refusals.is_stopped(outcome) and outcome.reason or nil, -- as the journal has it
    reason = text, pulses_planned = context.facts.pulses, pulses_sent = context.record.pulses_sent,
  }
  sealing().close_unplayed(context, refusals.is_stopped(outcome) and outcome.reason or nil, result,
    function(folder) report_and_record(folder, context.xdf) end)
  refusals.raise(code, "%s", text)
end

return M
