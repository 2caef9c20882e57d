--- Event codes of the run: the box that they go to, what did not get there, and whether a plan's codes can be
--- told apart at it.
local boxes = require "moonpulse.driver.code_box"
local core = require "moonpulse.core"
local outcomes = require "moonpulse.record.outcome"
local refusals = require "moonpulse.text.refusal"

local M = {}

-- why a code is lost, by its number (enum mp_code_lost)
local why = { "the box takes no bytes: is it switched on and connected?", "the port of the box is lost",
  "more codes were on their way at once than can wait", "the run had stopped" }

--- Open the box of the run; in virtual time a simulated one stands in for it. Raises a fault.
---@param stimulator moonpulse.Stimulator that is connected
function M.open(stimulator)
  local box = stimulator.job.codes
  if not box then
    return
  end
  local path, parallel = box.path, box.parallel
  if core.is_virtual() then
    stimulator.code_box = require("moonpulse.simulation.code_box").start(stimulator.record.folder
      .. "/codes.tsv")
    path, parallel = stimulator.code_box.path, nil
  end
  local ok, message = stimulator.link.session:codes { path = path, serial = box.serial, width = box.width,
    line = box.line, parallel = parallel }
  if not ok then
    refusals.fault(("--codes %s: %s"):format(box.text, message))
  end
  stimulator.record.codes = { sent = 0, lost = 0 }
end

--- Give the code of a mark that a script sets, now, armed or not. What becomes of it is told as of any.
---@param stimulator moonpulse.Stimulator that has a box
---@param code integer
---@param at_ns integer of the mark, monotonic
function M.give(stimulator, code, at_ns)
  stimulator.codes_open = (stimulator.codes_open or 0) + 1
  local ok, message = stimulator.link.session:code(code, at_ns, stimulator.job.stop_reason ~= nil)
  if not ok then -- the port of the stimulator is lost, and all is closed
    stimulator.codes_open = stimulator.codes_open - 1
    refusals.fault(("--codes %s: %s"):format(stimulator.job.codes.text, message))
  end
end

--- Wait until the last code of a script's mark has stood for its time, unless a stop comes.
---@param stimulator moonpulse.Stimulator
function M.await(stimulator)
  local function stands()
    return stimulator.codes_open > 0 or core.clock_ns() < (stimulator.codes_until_ns or 0)
  end
  while stands() and (stimulator.stopped or "finished") == "finished" and not stimulator.job.stop_reason do
    core.wait(stimulator.codes_open > 0 and 0.001
      or (stimulator.codes_until_ns - core.clock_ns() + 1) / 1e9)
  end
end

--- The code of a script's mark was told: it stands until then.
local function told_of_script(stimulator, out)
  local box = stimulator.job.codes
  stimulator.codes_open = math.max(0, (stimulator.codes_open or 0) - 1)
  if out.lost == 0 then
    stimulator.codes_until_ns = out.there_ns + math.ceil((boxes.apart(box)) * 1e9)
  end
  if out.unrecorded and stimulator.record.flight then
    stimulator.record.flight:code(out.code, out.lost, out)
  end
end

--- A code was written, or lost: that is told once for each cause, and the run goes on.
---@param stimulator moonpulse.Stimulator
---@param out moonpulse.core.Told
---@param now_ns integer when it is told (monotonic)
function M.told(stimulator, out, now_ns)
  local codes, facts = stimulator.record.codes, stimulator.facts
  if out.of == "script" then
    told_of_script(stimulator, out)
    facts = { offset_ns = -stimulator.record.start_ns }
  end
  outcomes.enter(stimulator.record, out, facts, now_ns)
  local key, text = out.lost == 0 and "sent" or "lost", why[out.lost]
  codes[key] = codes[key] + 1
  if text and out.lost ~= 4 and not codes[out.lost] then
    codes[out.lost] = true
    stimulator.job.tell_note(("event code %d of %s was not given to the box, and the run goes on: %s")
      :format(out.code, out.of == "script" and "a mark" or ("%s %d"):format(out.of, out.number), text))
  end
end

--- Raise where two codes of a plan come closer than the box can tell them apart.
---@param plan moonpulse.Plan
---@param seed integer
---@param box moonpulse.CodeBox?
---@param progress fun(walked: integer)? called now and then
function M.check(plan, seed, box, progress)
  if not box or box.any_distance or not plan:totals().coded then
    return
  end
  local _, closest = core.schedule(plan, seed):codes(progress)
  local apart_s = boxes.apart(box)
  if closest and closest.least_ns < math.ceil(apart_s * 1e9) then
    local line = closest.second_line ~= "" and (" (%s)"):format(closest.second_line) or ""
    local text = "event codes %d and %d come %g ms apart%s, and the box needs %.4g ms: a code stands %g ms, "
      .. "then 0 for 1 ms. %s, or give one code to both: mp.mark(\"S1\", { code = %d }) in front of them"
    local room_ms = apart_s * 1e3 - box.width * 1e3 -- of a code that stands for no time
    error({ code = "limit", message = text:format(closest.first, closest.second, closest.least_ns / 1e6, line,
      apart_s * 1e3, box.width * 1e3, closest.least_ns / 1e6 > room_ms + 0.1
        and "Take a shorter width (--codes PATH,width=MS)"
        or ("Leave %.4g ms between them"):format(math.ceil(apart_s * 1e4) / 10), closest.first) }, 0)
  end
end

--- The codes of a plan in words: "7 (20 times), 9"; nil: it has none.
---@param plan moonpulse.Plan
---@param seed integer
---@param progress fun(walked: integer)?
---@return string?
function M.words(plan, seed, progress)
  if not plan:totals().coded then
    return nil
  end
  local counts, list = core.schedule(plan, seed):codes(progress), {}
  for code = 1, 255 do
    if counts[code] then
      list[#list + 1] = counts[code] == 1 and tostring(code) or ("%d (%d times)"):format(code, counts[code])
    end
  end
  return table.concat(list, ", ")
end

return M
