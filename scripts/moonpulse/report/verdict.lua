--- The headline: one plain sentence on what happened, and how good the news is.
local record = require "moonpulse.record.read"
local text = require "moonpulse.drawing.text"

local M = {}

--- Of how many; of an experiment that did not come to its end only what its script asked for so far is known.
local function pulses_of(s, ended_early)
  if s.planned and ended_early and s.wanted == "asked for" then
    return s.sent == s.planned and text.counted(s.sent, "pulse")
      or ("%s of the %s asked for so far"):format(text.count(s.sent), text.counted(s.planned, "pulse"))
  elseif s.planned then
    return text.count(s.sent) .. " of " .. text.counted(s.planned, "pulse")
  end
  return ("%s (number %s not recorded)"):format(text.counted(s.sent, "pulse"), s.wanted)
end

local function onset_clause(s)
  if s.time == "virtual" then
    return "virtual time, so no onset error was measured"
  elseif s.external > 0 and s.external == s.sent then
    return "an external device fired them all, so there is no onset error"
  elseif s.onset_error.n == 0 then
    return "onset errors were not recorded"
  end
  local clause = "the largest onset error was " .. text.duration_us(s.onset_error.largest)
  if s.by_device > 0 then
    clause = ("%s among the %s that this computer timed (%s)"):format(clause, text.count(s.onset_error.n),
      text.unmeasured(s.by_device))
  elseif s.onset_error.n < s.sent then
    clause = clause .. " among the " .. text.count(s.onset_error.n) .. " with a recorded time"
  end
  return clause
end

local function confirmed_by(s)
  return s.simulated == true and " by a simulator" or ""
end

local function sent_to(s)
  return s.simulated == true and " to a simulator" or ""
end

local function delivery(s)
  if s.confirmed > 0 and s.confirmed == s.sent then
    return pulses_of(s) .. " delivered and confirmed" .. confirmed_by(s)
  end
  local confirmed = s.cannot_confirm and "which cannot confirm any" or ("%s confirmed%s"):format(
    s.confirmed == 0 and "none" or text.count(s.confirmed), s.unconfirmable > 0
    and (" (%s of %s, which cannot confirm any)"):format(text.count(s.unconfirmable),
      table.concat(s.silent_names, ", ")) or "")
  return string.format("%s sent%s, %s", pulses_of(s),
    s.cannot_confirm and s.simulated ~= true and " to a device" or sent_to(s), confirmed)
end

local function without_stop(reason)
  return (reason:gsub("[%s%.]+$", ""))
end

local function completed(s)
  if s.planned == 0 and s.sent == 0 then
    return ("No pulse was %s and none was sent."):format(s.wanted), "note"
  elseif s.sent == 0 then
    local planned = s.planned and "0 of " .. text.counted(s.planned, "pulse") .. " sent"
      or ("events.tsv holds no sent pulse and the number %s was not recorded"):format(s.wanted)
    return "NOTHING SENT: the run ended as completed, but " .. planned .. ".", "bad"
  end
  local sentence = delivery(s) .. "; " .. onset_clause(s) .. "."
  if s.planned and s.sent > s.planned then
    return ("MORE THAN %s: %s"):format(s.wanted:upper(), sentence), "bad"
  elseif s.planned and s.delivered < s.planned or s.delivered < s.sent then
    return "INCOMPLETE: " .. sentence, "bad"
  end
  local clean = s.planned and s.confirmed > 0 and s.confirmed == s.sent - s.unconfirmable and s.late == 0
  return sentence, clean and "good" or "note"
end

local function ended_early(s, status, reason)
  local head = status:upper()
  local why = type(reason) == "string" and without_stop(reason) or ""
  why = why ~= "" and why or "reason not recorded"
  if s.sent == 0 then
    local is_asked = s.wanted == "asked for"
    local before = s.planned and s.planned > 0 and (" before the first of %s%s%s"):format(
      is_asked and "the " or "", text.counted(s.planned, "pulse"), is_asked and " asked for so far" or "")
      or " with no pulse sent"
    return head .. before .. ": " .. why .. ".", "bad"
  end
  local confirmed = s.cannot_confirm and "none confirmed (this device cannot confirm pulses)" or
    s.confirmed == s.sent and "all confirmed" or
    s.confirmed == 0 and "none confirmed" or text.count(s.confirmed) .. " confirmed"
  local is_whole = why:find("[.?!]$") -- a question or a sentence of its own is not run on
  return string.format("%s after %s%s: %s%s %s%s; %s.", head, pulses_of(s, true),
    s.confirmed == 0 and sent_to(s) or "", why, is_whole and "" or ";",
    is_whole and confirmed:gsub("^%l", string.upper) or confirmed,
    s.confirmed > 0 and confirmed_by(s) or "", onset_clause(s)), "bad"
end

--- What the device gave and nobody sent is bad news, however the run ended.
local function with_unasked(s, sentence, level)
  local count = #s.unasked
  if count == 0 then
    return sentence, level
  end
  return ("%s The device reported %s that nobody sent."):format(sentence, text.counted(count, "pulse")), "bad"
end

--- Write the verdict.
---@param manifest table
---@param s table from `summary.compute`
---@return string sentence plain text, not escaped
---@return string level "good", "note" or "bad"
function M.write(manifest, s)
  local status = record.get(manifest, "result.status")
  if type(status) ~= "string" or status == "" then
    if s.sent == 0 then
      return with_unasked(s, "ENDING NOT RECORDED: no sent pulse is on record.", "bad")
    end
    return with_unasked(s, "ENDING NOT RECORDED: " .. delivery(s) .. "; " .. onset_clause(s) .. ".", "bad")
  elseif status == "completed" then
    return with_unasked(s, completed(s))
  end
  return with_unasked(s, ended_early(s, status, record.get(manifest, "result.reason")))
end

return M
