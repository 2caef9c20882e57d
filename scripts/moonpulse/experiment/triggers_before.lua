--- The triggers that came in the runs that a run of an experiment goes on with, by their journals: for
--- run:triggers and run:trigger_count, whose clock goes on. A journal has those that stim:on_trigger heard,
--- or that the script took; in virtual time the file of triggers has the others as well. What came between
--- the runs nobody heard.
local M = {}

local most = 10000 -- kept one by one, as moonpulse.experiment.trigger_log keeps them

---@class moonpulse.TriggersBefore
---@field list { at_ns: integer, byte: integer?, count: integer?, heard: string?, line: string?,
---   edge: string?, passed: true? }[] in their order; at_ns: of the script's clock; passed: nobody took it
---@field gone table<string, integer>? by value: so many more came before these

local function whole(value)
  return math.tointeger(tonumber(value))
end

local function words(value)
  return type(value) == "string" and value or nil
end

--- One of them, as whole numbers; nil: it is none. What is too many to be kept one by one is gone.
local function clean_one(each, gone)
  local at_ns, byte = whole(each.at_ns), whole(each.byte)
  local is_byte = byte and byte >= 0 and byte <= 255
  if not at_ns or not (is_byte or words(each.line)) then
    return nil
  end
  local count = math.max(1, whole(each.count) or 1)
  if is_byte and count > most then
    gone[tostring(byte)] = (gone[tostring(byte)] or 0) + count - most
    count = most
  end
  return { at_ns = at_ns, byte = is_byte and byte or nil, count = each.count and count or nil,
    heard = words(each.heard), line = not is_byte and words(each.line) or nil, edge = words(each.edge),
    passed = each.passed == true or nil }
end

--- A journal may be somebody else's: what is none is left out, and none takes longer than it should.
---@param before any as a journal has it
---@return moonpulse.TriggersBefore? nil: there is none
function M.clean(before)
  before = type(before) == "table" and before or {}
  local list, gone = {}, {}
  for key, count in pairs(type(before.gone) == "table" and before.gone or {}) do
    gone[tostring(key)] = math.max(0, whole(count) or 0)
  end
  for _, each in ipairs(type(before.list) == "table" and before.list or {}) do
    list[#list + 1] = type(each) == "table" and clean_one(each, gone) or nil
  end
  return list[1] and { list = list, gone = next(gone) and gone or nil } or nil
end

--- Of a file of triggers those that came, and that the journal does not have.
local function add_passed(list, file_lines, zero_ns, over_ns)
  local known = {}
  for _, each in ipairs(list) do
    known[("%d %s"):format(each.at_ns, each.byte)] = true
  end
  for _, text in ipairs(file_lines or {}) do
    local seconds, byte = text:match "^%s*(%S+)%s+port%s+(%d+)"
    local at_ns = tonumber(seconds) and zero_ns + math.floor(tonumber(seconds) * 1e9 + 0.5)
    if at_ns and at_ns < over_ns and not known[("%d %s"):format(at_ns, byte)] then
      list[#list + 1] = { at_ns = at_ns, byte = whole(byte), passed = true }
    end
  end
end

--- Those of a run that broke off, and of the runs before it.
---@param lines table[] of its journal
---@param zero_ns integer of the script's clock at its start
---@param over_ns integer the same, when it broke off
---@param file_lines string[]? of its file of triggers
---@return moonpulse.TriggersBefore? nil: none came
function M.until_now(lines, zero_ns, over_ns, file_lines)
  local list, gone = {}, {}
  for _, line in ipairs(lines) do
    if line.kind == "before" and line.what == "end" then
      local before = M.clean(line.triggers) or { list = {} }
      list, gone = before.list, before.gone or {}
    elseif line.kind == "end" then
      break
    elseif line.kind == "trigger" and line.again ~= true and line.starts == nil then
      list[#list + 1] = { at_ns = zero_ns + (whole(line.at_ns) or 0), byte = whole(line.byte),
        count = whole(line.count), heard = line.heard, line = line.input, edge = line.edge }
    end
  end
  add_passed(list, file_lines, zero_ns, over_ns)
  for i, each in ipairs(list) do
    each.place = i
  end
  table.sort(list, function(a, b)
    return a.at_ns < b.at_ns or a.at_ns == b.at_ns and a.place < b.place
  end)
  for i, each in ipairs(list) do
    each.place = nil
    local key = tostring(each.byte)
    gone[key] = i <= #list - most and (gone[key] or 0) + (each.count or 1) or gone[key]
  end
  list = #list > most and table.move(list, #list - most + 1, #list, 1, {}) or list
  return M.clean { list = list, gone = gone }
end

return M
