--- What a script was told last, where an error of its own or a refusal ended it: told the same by the run
--- that goes on with it, it would end there again.
local M = {}

-- what a script is told that decides nothing by itself
local readings = { now = true, status = true, limits = true, identity = true, triggers = true,
  trigger_count = true, armed = true, said = true }

-- verbs that give pulses, and so need the stimulator armed
local plays = { ["stim:play"] = true, ["stim:fire"] = true, ["stim:on_trigger"] = true,
  ["stim:watch"] = true }

--- Had it parts side by side? Which of them it was that ended it is not known.
local function has_parts(entries)
  for _, entry in ipairs(entries) do
    if entry.part then
      return true
    end
  end
  return false
end

--- The last question of the script, as far as the journal tells: is it open, and whence came its answer?
local function last_question(lines)
  local is_open, source = false, nil
  for _, line in ipairs(lines) do
    if line.of == "script" and (line.kind == "question" or line.kind == "answer") then
      is_open, source = line.kind == "question", line.source
    end
  end
  return is_open, source
end

--- Had the script armed, by what it was told? What a fault disarmed is armed again for a run that goes on.
local function had_armed(entries)
  for i = #entries, 1, -1 do
    local entry = entries[i]
    if entry.what == "arm" then
      return true
    elseif entry.what == "disarm" or entry.what == "stop" or entry.what == "watch" and entry.value then
      return false
    end
  end
  return false
end

--- A script that an error of its own or a refusal ended would end there again if it were told the same: the
--- answer or the refusal behind which it ended is forgotten, so that it is asked or judged anew. A question
--- that nobody answered is asked anew as it is. That nothing is armed is the script's own, whoever judges.
---@param entries moonpulse.PastEntry[] what it was told; changed
---@param lines table[] of its journal
---@param is_amid boolean? it ended amid a plan, of which the entries do not say yet what was given
---@return integer? from_file answers of --answers that are forgotten; nil: nothing can be
function M.forget(entries, lines, is_amid)
  local is_open, source = last_question(lines)
  local i = #entries
  if is_open then
    return 0
  elseif has_parts(entries) then
    return nil
  elseif is_amid or entries[i] and entries[i].given then
    return 0
  end
  while entries[i] and readings[entries[i].what] do
    i = i - 1
  end
  local cause = entries[i] and entries[i].what
  if cause ~= "answer" and cause ~= "refused"
    or cause == "refused" and plays[entries[i].verb] and not had_armed(entries) then
    return nil
  end
  for k = #entries, i, -1 do
    entries[k] = nil
  end
  return cause == "answer" and source == "--answers" and 1 or 0
end

return M
