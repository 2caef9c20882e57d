--- What somebody may have meant who wrote a name that there is not.
local M = {}

--- How many letters must change to make b of a.
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal
    diagonal, row[0] = row[0], i
    for j = 1, #b do
      local change = diagonal + (a:byte(i) == b:byte(j) and 0 or 1)
      diagonal, row[j] = row[j], math.min(change, row[j] + 1, row[j - 1] + 1)
    end
  end
  return row[#b]
end

--- Of names those that are like the written one, whatever its case; the same name in another case alone.
---@param written string
---@param names string[]
---@param most integer how many letters may differ
---@return string[]
function M.near(written, names, most)
  local near, wanted = {}, written:lower()
  for _, name in ipairs(names) do
    local known = name:lower()
    if known == wanted then
      return { name }
    end
    local is_part = #wanted >= 3 and known:find(wanted, 1, true)
    local is_as_long = math.abs(#wanted - #known) <= most -- else more letters differ than may
    if is_part or is_as_long and distance(wanted, known) <= most then
      near[#near + 1] = name
    end
  end
  return near
end

--- "did you mean a, b?"; nil where there is none.
---@param near string[]
---@return string?
function M.question(near)
  return near[1] and "did you mean " .. table.concat(near, ", ") .. "?" or nil
end

return M
