--- Event codes of the run: the box that they go to, what did not get there, and whether a plan's codes can be
--- told apart at it.
local boxes = require "moonpulse.driver.code_box"
local core = require "moonpulse.core"
local refusals = require "moonpulse.text.refusal"

local M = {}

-- why a code is lost, by its number (enum mp_code_lost)
local why = { "the box takes no bytes: is it switched on and connected?", "the port of the box is lost",
  "more pulses were on their way at once than codes can wait", "the run had stopped" }

--- Open the box of the run; in virtual time a simulated one stands in for it. Raises a fault.
---@param stimulator moonpulse.Stimulator that is connected
function M.open(stimulator)
  local box = stimulator.job.codes
  if not box then
    return
  end
  local path = box.path
  if core.is_virtual() then
    stimulator.code_box = require("moonpulse.simulation.code_box").start(stimulator.record.folder
      .. "/codes.tsv")
    path = stimulator.code_box.path
  end
  local ok, message = stimulator.link.session:codes { path = path, serial = box.serial, width = box.width }
  if not ok then
    refusals.fault(("--codes %s: %s"):format(box.text, message))
  end
  stimulator.record.codes = { sent = 0, lost = 0 }
end

--- A code was written, or lost: that is told once for each cause, and the run goes on.
---@param stimulator moonpulse.Stimulator
---@param out moonpulse.core.Told
function M.told(stimulator, out)
  local codes = stimulator.record.codes
  local key, text = out.lost == 0 and "sent" or "lost", why[out.lost]
  codes[key] = codes[key] + 1
  if text and out.lost ~= 4 and not codes[out.lost] then
    codes[out.lost] = true
    stimulator.job.tell_codes(("event code %d of %s %d was not given to the box, and the run goes on: %s")
      :format(out.code, out.of, out.number, text))
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
