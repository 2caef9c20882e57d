--- What the script of an experiment decided, as its journal tells: plans, settings, marks, questions and
--- answers, triggers, thresholds, refusals, without what the clocks of two runs say.
local core = require "moonpulse.core"
local sides = require "moonpulse.compare.side"
local sorted_json = require "moonpulse.text.sorted_json"

local M = {}

---@class moonpulse.Decision
---@field line integer of the journal
---@field part integer of the script; 0: the script itself
---@field kind string
---@field bare table what the line says, without times
---@field text string the same as JSON

-- what the clocks of two runs say, and the chain that holds it
local of_time = { at = true, at_ns = true, start_ns = true, from_ns = true, told_ns = true, line = true,
  prev = true, check = true, who = true, clock_ns = true }
local kinds = { play = true, set = true, mark = true, answer = true, question = true, trigger = true,
  refused_answer = true, threshold = true, note = true, refused = true, ahead = true, watch = true,
  watched = true }
-- of a plan: what the device and its line make of it
local of_device = { wire_ns = true, latency_ns = true, confirms = true, proves_end = true,
  setting_proof = true }

local most_said = 3 -- differences of a line that are named

--- A text of a script without what is another in each run: where its file was, where a value lies.
---@param text string
---@return string
function M.plain(text)
  return (sides.without_place(text):gsub(": 0x%x+", ""))
end

--- Of a plan without its number: that is its place among all, and parts may come in another order.
local function text_of(bare)
  local number = bare.play
  bare.play = nil
  local text = sorted_json.encode(bare)
  bare.play = number
  return text
end

--- What one line decided; nil: nothing that is compared.
---@param entry table
---@param number integer of the line
---@param asking any the part that asked last: another program's answer to it may be refused beside it
---@return moonpulse.Decision?
local function decision_of(entry, number, asking)
  if not kinds[entry.kind] or entry.of == "preflight" or entry.kind == "trigger" and entry.count
    or entry.kind == "refused_answer" and entry.of ~= "script" -- of who is at the stimulator: told to nobody
    or type(entry.of) == "table" and entry.of.passed_over == true then -- how fast bytes came, not the script
    return nil
  end
  local bare = {}
  for key, value in pairs(entry) do
    bare[key] = not of_time[key] and value or nil
  end
  for _, key in ipairs { "text", "why", "question" } do
    bare[key] = type(bare[key]) == "string" and M.plain(bare[key]) or bare[key]
  end
  bare.source = nil -- who answered: somebody, or a file
  bare.old = nil -- what was before follows from the lines before it, and older versions do not say it
  if entry.kind == "ahead" or entry.kind == "watch" then -- how long it is open is the script's own word
    local from_ns = math.tointeger(tonumber(entry.from_ns))
    local until_ns = math.tointeger(tonumber(entry.until_ns))
    bare.until_ns, bare.open_ns = nil, from_ns and until_ns and until_ns - from_ns
  end
  if entry.kind == "refused_answer" then
    bare.part = asking
  end
  return { line = number, part = math.tointeger(tonumber(bare.part)) or 0, kind = entry.kind, bare = bare,
    text = text_of(bare) }
end

--- All that was decided, in the order of the journal.
---@param entries (table|false)[] the lines of a journal; false: that one cannot be read
---@return moonpulse.Decision[]
function M.of(entries)
  local list, asking = {}, nil
  for number, entry in ipairs(entries) do
    if entry and (entry.kind == "question" or entry.kind == "answer") then
      asking = entry.part
    end
    list[#list + 1] = entry and decision_of(entry, number, asking) or nil
  end
  return list
end

--- Without what only the device knows: of a run on another stimulator than the simulator that it is compared
--- with.
---@param list moonpulse.Decision[]
---@return moonpulse.Decision[]
function M.without_device(list)
  local kept = {}
  for _, each in ipairs(list) do
    local bare, of = {}, type(each.bare.of) == "table" and each.bare.of or {}
    for key, value in pairs(each.bare) do
      bare[key] = not of_device[key] and value or nil
    end
    if each.kind ~= "set" and not of.by_hand and each.bare.of ~= "stimulator" then
      kept[#kept + 1] = { line = each.line, part = each.part, kind = each.kind, bare = bare,
        text = text_of(bare) }
    end
  end
  return kept
end

local function shown(value)
  if value == nil then
    return "nothing"
  end
  return type(value) == "table" and sorted_json.encode(value) or tostring(math.tointeger(value) or value)
end

--- Where two values differ, as paths: "actions[1].intensity".
local function differ(a, b, path, found)
  if type(a) ~= "table" or type(b) ~= "table" then
    if a ~= b then
      found[#found + 1] = { path = path, a = a, b = b }
    end
    return
  end
  local keys, seen = {}, {}
  for _, each in ipairs { a, b } do
    for key in pairs(each) do
      keys[#keys + 1] = not seen[key] and key or nil
      seen[key] = true
    end
  end
  table.sort(keys, function(x, y) return tostring(x) < tostring(y) end)
  for _, key in ipairs(keys) do
    local at = math.type(key) and ("%s[%d]"):format(path, key) or path == "" and key or path .. "." .. key
    differ(a[key], b[key], at, found)
  end
end

--- One of two runs has the other's decisions up to some point: what differs there, in words.
---@param a moonpulse.Decision? nil: the first run ended before
---@param b moonpulse.Decision?
---@param what string what the second one is, as "the kept text makes"
---@return string
function M.words(a, b, what)
  if not a then
    return ("it ends here, and %s: %s"):format(what, b.text)
  elseif not b then
    return ("it says %s, and %s no more"):format(a.text, what)
  elseif a.kind ~= b.kind then
    return ("it says %s, and %s %s"):format(a.text, what, b.text)
  end
  local found, parts = {}, {}
  differ(a.bare, b.bare, "", found)
  for i = 1, math.min(#found, most_said) do
    parts[i] = ("%s is %s, and %s %s"):format(found[i].path, shown(found[i].a), what, shown(found[i].b))
  end
  local name = a.kind == "play" and ("plan %s: "):format(shown(a.bare.play)) or a.kind .. ": "
  return name .. table.concat(parts, "; ") .. (#found > most_said and "; ..." or "")
end

---@class moonpulse.DecisionsDiffer
---@field a moonpulse.Decision?
---@field b moonpulse.Decision?

local function first_of(x, y, whole)
  for i = 1, whole and math.max(#x, #y) or #x do
    if not x[i] or not y[i] or x[i].text ~= y[i].text then
      return { a = x[i], b = y[i] }
    end
  end
end

--- The decisions of each part of a script.
local function by_part(list)
  local parts = {}
  for _, each in ipairs(list) do
    parts[each.part] = parts[each.part] or {}
    table.insert(parts[each.part], each)
  end
  return parts
end

--- Where the decisions of two runs differ first.
---@param x moonpulse.Decision[]
---@param y moonpulse.Decision[]
---@param how { whole: boolean, parts: boolean? } whole: the first run came to its own end, so that the second
---   one has no more; parts: what parts of the script did beside each other has no order
---@return moonpulse.DecisionsDiffer?
function M.difference(x, y, how)
  if not how.parts then
    return first_of(x, y, how.whole)
  end
  local ours, theirs, found, parts, seen = by_part(x), by_part(y), nil, {}, {}
  for _, each in ipairs { ours, how.whole and theirs or {} } do
    for part in pairs(each) do
      parts[#parts + 1] = not seen[part] and part or nil
      seen[part] = true
    end
  end
  table.sort(parts)
  for _, part in ipairs(parts) do
    local at = first_of(ours[part] or {}, theirs[part] or {}, how.whole)
    if at and (not found or (at.a and at.a.line or math.huge) < (found.a and found.a.line or math.huge)) then
      found = at
    end
  end
  return found
end

local of_dose = { play = true, set = true, threshold = true }

--- Those that say what is given, and how strong, without the seeds that plans draw from one after the other.
---@param list moonpulse.Decision[]
---@return moonpulse.Decision[]
function M.of_dose(list)
  local kept = {}
  for _, each in ipairs(list) do
    if of_dose[each.kind] then
      local bare = {}
      for key, value in pairs(each.bare) do
        bare[key] = key ~= "seed" and value or nil
      end
      kept[#kept + 1] = { line = each.line, part = each.part, kind = each.kind, bare = bare,
        text = text_of(bare) }
    end
  end
  return kept
end

local function place_of(list, decision)
  for i, each in ipairs(list) do
    if each == decision then
      return i
    end
  end
  return 0
end

--- Have the parts of a script come in another order, before they differ or there? Which of them is first is
--- the computer's timing.
---@param x moonpulse.Decision[]
---@param y moonpulse.Decision[]
---@param at moonpulse.DecisionsDiffer where a part does not do the same
---@return boolean
function M.is_reordered(x, y, at)
  for i = 1, math.min(math.max(place_of(x, at.a), place_of(y, at.b)), #x, #y) do
    if x[i].part ~= y[i].part then
      return true
    end
  end
  return false
end

--- Where two runs differ before something else than what they were told had a part in the second one.
---@param x moonpulse.Decision[]
---@param y moonpulse.Decision[]
---@param whole boolean the first run came to its own end
---@param lines integer so many lines of the second one's journal stood then
---@return moonpulse.DecisionsDiffer?
function M.difference_until(x, y, whole, lines)
  local i = 0
  for _, each in ipairs(y) do
    if each.line > lines then
      break
    end
    i = i + 1
    local was = x[i] -- there were no parts yet
    if was and was.text ~= each.text or was and was.part ~= each.part or not was and whole then
      return { a = was, b = each }
    end
  end
end

--- Does a stop come from outside of the run, from its operator or its computer? It does not come again at
--- that instant when the run is made again.
---@param stop string? the reason's name
---@return boolean
function M.from_outside(stop)
  local known = core.stops[stop]
  return known ~= nil and (known.blame == "operator" or known.blame == "host")
end

--- Up to where the decisions of a run were its script's: a stop from outside, or an error, ends them.
---@param entries (table|false)[] the lines of its journal
---@param list moonpulse.Decision[] of it
---@param is_real boolean it was in real time
---@return moonpulse.Decision[] list up to there
---@return boolean whole it came to its own end
---@return integer? stop the line of what ended them; nil: nothing did
function M.until_stop(entries, list, is_real)
  local last, ended, failed = math.huge, false, false
  for number, entry in ipairs(entries) do
    local stop = entry and (entry.kind == "stop" and entry.reason or entry.kind == "end" and entry.stop)
    local real = stop and is_real and stop ~= "requested" and stop ~= "finished"
    if (M.from_outside(stop) or real) and last == math.huge then
      last = number
    end
    failed = failed or entry and entry.kind == "end" and is_real and entry.stop == "error"
    ended = ended or entry and entry.kind == "end" or false
  end
  local kept = {}
  for _, each in ipairs(list) do
    kept[#kept + 1] = each.line < last and each or nil
  end
  local words = kept[#kept] and kept[#kept].kind == "mark" and kept[#kept].bare.text
  if failed and type(words) == "string" and words:find("^error in the ") then
    kept[#kept] = nil -- another computer may say it otherwise
  end
  return kept, ended and last == math.huge and not failed, math.tointeger(last)
end

return M
