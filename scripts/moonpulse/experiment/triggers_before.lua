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

local function copy_of(before)
  local list = {}
  for i, each in ipairs(type(before) == "table" and type(before.list) == "table" and before.list or {}) do
    list[i] = { at_ns = whole(each.at_ns) or 0, byte = whole(each.byte), count = whole(each.count),
      heard = each.heard, line = each.line, edge = each.edge, passed = each.passed }
  end
  return list, type(before) == "table" and type(before.gone) == "table" and before.gone or {}
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
      list, gone = copy_of(line.triggers)
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
  return list[1] and { list = list, gone = next(gone) and gone or nil } or nil
end

return M
