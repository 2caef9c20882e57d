--- What an experiment says of itself, for moonpulse protocols: it has no fixed plan to measure.
local M = {}

--- The comment at the top of its file, without the dashes.
---@param path string
---@return string[] its lines
function M.opening(path)
  local lines = {}
  for line in io.lines(path) do
    local text = line:match "^%-%-%s?(.*)$"
    if not text then
      break
    end
    lines[#lines + 1] = text
  end
  while lines[#lines] == "" do
    lines[#lines] = nil
  end
  return lines
end

local function value_words(value)
  return type(value) == "number" and ("%.14g"):format(value) or tostring(value)
end

--- A parameter's line: name, default, what it is, what it may be.
local function parameter_line(name, declared)
  local may = declared.values and table.concat(declared.values, ", ")
    or declared.min and declared.max and ("%s to %s"):format(value_words(declared.min),
      value_words(declared.max))
  return ("  %-14s %-10s %s%s"):format(name, declared.needed and "needed" or value_words(declared.default),
    declared.help or "", may and " [" .. may .. "]" or "")
end

--- A path without "folder/.." in it.
local function straight(path)
  local count
  repeat
    path, count = path:gsub("/[^/]+/%.%./", "/", 1)
  until count == 0
  return path
end

--- Its name, what it is for and by whom, what its author wrote at its top, and its parameters.
---@param experiment moonpulse.Experiment from a file
---@return string
function M.text(experiment)
  local parts = { experiment.name or experiment.id }
  parts[#parts + 1] = experiment.aim
  parts[#parts + 1] = experiment.cite and experiment.cite .. (experiment.doi and "; doi:" .. experiment.doi
    or "")
  parts[#parts + 1] = experiment.note
  parts[#parts + 1] = ""
  local opening = M.opening(experiment.file)
  table.move(opening, 1, #opening, #parts + 1, parts)
  local names = {}
  for name in pairs(experiment.params or {}) do
    names[#names + 1] = name
  end
  table.sort(names)
  if names[1] then
    parts[#parts + 1] = "\nparameters (-p name=value)"
  end
  for _, name in ipairs(names) do
    parts[#parts + 1] = parameter_line(name, experiment.params[name])
  end
  parts[#parts + 1] = "\nAn experiment: what it gives depends on what is answered while it runs. Its text:\n"
    .. straight(experiment.file)
  return table.concat(parts, "\n")
end

--- Its line in the list, with its name and its paper below.
---@param experiment moonpulse.Experiment
---@return string
function M.row(experiment)
  return ("  %-22s %s\n  %-22s %s"):format(experiment.id, experiment.name or "", "",
    experiment.cite or "no citation")
end

return M
