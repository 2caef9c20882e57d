--- Rules 42 to 45: places and axes.
local groups = require "moonpulse.bids.check.groups"

local M = {}

local most = 1e-3 -- from 1 or 0: cells have few decimals

--- The three axes of a row of markers.tsv; nil: not all nine cells are numbers.
local function axes_of(cell)
  local axes = {}
  for _, name in ipairs { "x", "y", "z" } do
    local axis = {}
    for i, part in ipairs { "x", "y", "z" } do
      axis[i] = tonumber(cell(("element_%sdir_%s"):format(name, part)))
      if not axis[i] then
        return nil
      end
    end
    axes[name] = axis
  end
  return axes
end

local function dot(a, b)
  return a[1] * b[1] + a[2] * b[2] + a[3] * b[3]
end

local function each(group, look)
  local _, path = groups.rows(group, "markers.tsv")
  groups.each(group, "markers.tsv", function(cell, number)
    local axes = axes_of(cell)
    if axes then
      look(axes, path, number)
    end
  end)
end

local function unit(group, say)
  each(group, function(axes, path, number)
    for name, axis in pairs(axes) do
      local length = math.sqrt(dot(axis, axis))
      if math.abs(length - 1) > most then
        say(path, ("element_%sdir has the length %.4f, not 1"):format(name, length), number)
      end
    end
  end)
end

local function orthogonal(group, say)
  each(group, function(axes, path, number)
    for _, pair in ipairs { { "x", "y" }, { "y", "z" }, { "z", "x" } } do
      local cosine = dot(axes[pair[1]], axes[pair[2]])
      if math.abs(cosine) > most then
        say(path, ("element_%sdir and element_%sdir are not at right angles (%.4f)"):format(pair[1], pair[2],
          cosine), number)
      end
    end
  end)
end

local function right_handed(group, say)
  each(group, function(axes, path, number)
    local y, z = axes.y, axes.z
    local cross = { y[2] * z[3] - y[3] * z[2], y[3] * z[1] - y[1] * z[3], y[1] * z[2] - y[2] * z[1] }
    if dot(cross, axes.x) < 0 then
      say(path, "the axes are left-handed: xdir is ydir cross zdir", number)
    end
  end)
end

local function units(group, say)
  local sidecar, path = groups.sidecar(group, "coordsystem.json")
  if group.files["coordsystem.json"] then
    for _, key in ipairs { "NIBSCoordinateSystem", "NIBSCoordinateUnits" } do
      if type(sidecar[key]) ~= "string" or sidecar[key] == "" or sidecar[key] == "n/a" then
        say(path, key .. " is missing")
      end
    end
  end
end

M.rules = {
  { 42, "Are the axes of length 1?", "error", unit },
  { 43, "Are they at right angles?", "error", orthogonal },
  { 44, "Are they right-handed?", "error", right_handed },
  { 45, "Is it said of what the coordinates are, and in which unit?", "error", units },
}

return M
