--- What of an experiment only its journal says: by which rule triggers started plans, and the trials in which
--- no pulse was to come.
local escapes = require "moonpulse.text.escapes"
local journal_lines = require "moonpulse.record.journal_lines"
local numbers = require "moonpulse.text.numbers"
local wording = require "moonpulse.methods.wording"

local M = {}

local suffixes = { "st", "nd", "rd" }

local function ordinal(n)
  local tens = n % 100
  return ("%d%s"):format(n, tens - tens % 10 ~= 10 and suffixes[n % 10] or "th")
end

--- "every 3rd one, 100 ms after it"; nil: each of them, at once.
local function rule_words(entry)
  local every, delay_ns = math.tointeger(tonumber(entry.every)), tonumber(entry.delay_ns)
  local parts = {}
  parts[1] = every and every > 1 and ("every %s one"):format(ordinal(every)) or nil
  if delay_ns and delay_ns > 0 then
    parts[#parts + 1] = wording.seconds(delay_ns / 1e9) .. " after it"
  end
  return parts[1] and table.concat(parts, ", ") or nil
end

--- Each once, in the order in which it came first.
local function add_once(list, text)
  for _, known in ipairs(list) do
    if known == text then
      return
    end
  end
  list[#list + 1] = text
end

--- Add what the journal says; nothing where it cannot be read, which other commands tell.
---@param facts moonpulse.MethodsFacts of an experiment; gets trigger_rule, without_pulse
---@param folder string of the run
function M.add(facts, folder)
  local rules, counts, names, is_plain = {}, {}, {}, false
  for _, entry in ipairs(facts.kind == "experiment" and journal_lines.entries(folder) or {}) do
    if entry and entry.kind == "ahead" then
      local words = rule_words(entry)
      is_plain = is_plain or not words
      if words then
        add_once(rules, words)
      end
    elseif entry and entry.kind == "play" and tonumber(entry.pulses) == 0
      and type(entry.marks) == "table" and type(entry.marks[1]) == "string" then
      local name = escapes.shown(entry.marks[1])
      add_once(names, name)
      counts[name] = (counts[name] or 0) + 1
    end
  end
  if rules[1] then
    facts.trigger_rule = table.concat(rules, "; or ") .. (is_plain and "; or each of them, at once" or "")
  end
  for i, name in ipairs(names) do
    names[i] = ('%s with the mark "%s"'):format(numbers.counted(counts[name], "trial"), name)
  end
  facts.without_pulse = names[1] and table.concat(names, ", ") or nil
end

return M
