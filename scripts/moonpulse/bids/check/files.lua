--- Rules 1 to 7: files, their names, their text, their columns.
local groups = require "moonpulse.bids.check.groups"
local cells_of = require("moonpulse.text.cells").of

local M = {}

local tables = { "nibs", "events", "markers" }

--- Is it the name of a file of nibs/? nil, or why not.
local function name_problem(path)
  local folder, name = path:match("^(.*)/nibs/([^/]+)$")
  local prefix = folder:gsub("/", "_")
  if name:find("_headshape%.%w+$") or name:find("_photo%.%w+$") then
    return name:sub(1, #prefix + 1) ~= prefix .. "_" and "it does not begin with " .. prefix or nil
  end
  local middle, suffix = name:match("^(.*)_(%l+%.%l+)$", #prefix + 1)
  middle = name:sub(1, #prefix) == prefix and middle
  if not middle then
    return "a name of nibs/ begins with " .. prefix .. " and ends with a suffix such as _nibs.tsv"
  elseif not (suffix:find("^nibs%.") or suffix:find("^events%.") or suffix:find("^markers%.")
      or suffix == "coordsystem.json") or not (suffix:find("%.tsv$") or suffix:find("%.json$")) then
    return suffix .. " is no suffix of nibs/"
  end
  local rest = middle:gsub("^_task%-%w+", "")
  if rest == middle and suffix ~= "coordsystem.json" then
    return "the entity task- is missing, or not the first after the session"
  end
  rest = rest:gsub("^_acq%-%w+", ""):gsub("^_run%-%d+", "")
  if rest ~= "" then
    return ("%s: entities are task-, acq-, run-, in this order"):format(rest)
  end
end

local function names(group, say)
  for _, path in ipairs(group.dataset.paths) do
    if path:sub(1, #group.folder + 1) == group.folder .. "/" and not group.dataset.named[path] then
      group.dataset.named[path] = true
      local problem = name_problem(path)
      if problem then
        say(path, problem)
      end
    end
  end
end

local function sidecars_there(group, say)
  for _, name in ipairs(tables) do
    local path = ("%s/%s_%s"):format(group.folder, group.stem, name)
    if group.dataset.has[path .. ".tsv"] and not group.files[name .. ".json"] then
      say(path .. ".tsv", "it has no " .. name .. ".json beside it")
    elseif group.files[name .. ".json"] and not group.files[name .. ".json"].data then
      say(group.files[name .. ".json"].path, "it is no JSON object")
    end
  end
  if not group.files["nibs.tsv"] then
    say(("%s/%s_nibs.json"):format(group.folder, group.stem), "it has no nibs.tsv beside it")
  end
end

local function one_timeline(group, say)
  local own = ("%s/%s_events.tsv"):format(group.folder, group.stem)
  local _, path = groups.sidecar(group, "nibs.json")
  for _, named in ipairs(group.intended) do
    if not group.dataset.has[named] then
      say(path, ("IntendedFor names %s, which is not there"):format(named))
    end
  end
  if group.dataset.has[own] and group.intended[1] then
    say(path, "events are in nibs/ and, by IntendedFor, elsewhere: one of them")
  elseif not group.dataset.has[own] and not group.intended[1] then
    say(path, "there are no events: neither in nibs/ nor, by IntendedFor, with a recording")
  end
end

local function coordinates(group)
  local found = groups.rows(group, "markers.tsv")
  for _, name in ipairs(found.columns) do
    if name:find("_[xyz]$") then
      for _, row in ipairs(found.rows) do
        if tonumber(row[found.index[name]]) then
          return true
        end
      end
    end
  end
  return false
end

local function frame_there(group, say)
  if coordinates(group) and not group.files["coordsystem.json"] then
    local _, path = groups.rows(group, "markers.tsv")
    say(path, "it has coordinates, and there is no coordsystem.json that says of what")
  end
end

local misspelt = { na = true, ["n.a."] = true, nan = true, null = true, none = true, ["n\\a"] = true,
  ["-"] = true,
  ["N/A"] = true, ["N/a"] = true }

local function line_problem(line, columns)
  local cells = select(2, line:gsub("\t", "")) + 1
  if line:find("\t$") then
    return "a tab at the end of the line"
  elseif cells ~= columns then
    return ("%d cells, and the header has %d"):format(cells, columns)
  elseif line == "" or ("\t" .. line .. "\t"):find("\t\t", 1, true) then
    return "an empty cell: n/a is what is missing"
  end
  for _, cell in ipairs(cells_of(line)) do
    if misspelt[cell] or misspelt[cell:lower()] then
      return ("%s: what is missing is written n/a"):format(cell)
    end
  end
end

local function text_of(file, say)
  local text = file.text
  if text:find("^\xEF\xBB\xBF") then
    say(file.path, "it begins with a byte order mark")
  end
  if not utf8.len(text) then
    say(file.path, "it is no UTF-8")
  end
  if text:find("\r", 1, true) then
    say(file.path, "its lines end with CR: LF alone is right")
    return
  end
  local columns, number = nil, 0
  for line in (text:gsub("\n$", "") .. "\n"):gmatch("([^\n]*)\n") do
    columns = columns or select(2, line:gsub("\t", "")) + 1
    local problem = line_problem(line, columns)
    if problem then
      say(file.path, problem, number)
      return
    end
    number = number + 1
  end
end

local function text_form(group, say)
  for _, name in ipairs(tables) do
    local file = group.files[name .. ".tsv"]
    if file and file.path:find("/nibs/", 1, true) then
      text_of(file, say)
    end
  end
end

local function columns_described(group, say)
  for _, name in ipairs(tables) do
    local found, path = groups.rows(group, name .. ".tsv")
    local sidecar, seen = groups.sidecar(group, name .. ".json"), {}
    for _, column in ipairs(found.columns) do
      if not column:find("%S") then
        say(path, "a column without a name")
      elseif seen[column] then
        say(path, ("two columns are called %s"):format(column))
      elseif type(sidecar[column]) ~= "table" then
        say(path, ("the column %s is not described in %s.json"):format(column, name))
      end
      seen[column] = true
    end
  end
end

local function described_there(group, say)
  for _, name in ipairs(tables) do
    local found = groups.rows(group, name .. ".tsv")
    local sidecar, path = groups.sidecar(group, name .. ".json")
    local absent = {}
    for key, value in pairs(group.files[name .. ".tsv"] and sidecar or {}) do
      local is_column = type(value) == "table" and (value.LongName or value.Description) and key:find("^%l")
      absent[#absent + 1] = is_column and not found.index[key] and key or nil
    end
    table.sort(absent)
    for _, key in ipairs(absent) do
      say(path, ("%s is described, and there is no such column"):format(key))
    end
  end
end

M.rules = {
  { 1, "Do names follow the template?", "error", names },
  { 2, "Has every table its sidecar?", "error", sidecars_there },
  { 3, "Are the events in one place: nibs/, or where IntendedFor says?", "error", one_timeline },
  { 4, "Is there a coordsystem where there are coordinates?", "error", frame_there },
  { 5, "UTF-8, LF, tabs, no empty cell, n/a?", "error", text_form },
  { 6, "Has every column a name of its own, and a description?", "error", columns_described },
  { 7, "Is every described column there?", "warning", described_there },
}

return M
