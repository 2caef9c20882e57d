--- moonpulse new: a driver or a protocol to begin with, that works as it is.
local cli = require "moonpulse.cli"
local devices = require "moonpulse.driver.find"
local in_order = require "moonpulse.text.in_order"
local lfs = require "lfs"

local M = {}

--- What can be made: the files of a folder of templates, in which `stands_for` becomes the name.
local kinds = {
  driver = {
    stands_for = "mybox",
    files = { "mybox.lua", "mybox_simulator.lua", "mybox_spec.lua" },
    taken = function(name)
      for _, known in ipairs(devices.names) do
        if known == name then
          return "a shipped driver has that name (see moonpulse devices)"
        end
      end
    end,
    next = "moonpulse test ./%s_spec.lua\n   moonpulse devices --device ./%s.lua\n"
      .. "   moonpulse run itbs600 --amt 50 --device sim:./%s.lua",
  },
  protocol = {
    stands_for = "myprotocol",
    files = { "myprotocol.lua", "myprotocol_spec.lua" },
    taken = function(name)
      require "moonpulse" -- the shipped protocols require it
      for _, known in ipairs(require("moonpulse.protocol.catalogue").all()) do
        if known.id == name then
          return "a shipped protocol has that id (see moonpulse protocols)"
        end
      end
    end,
    next = "moonpulse test ./%s_spec.lua\n   moonpulse check ./%s.lua --rmt 50\n"
      .. "   moonpulse plot ./%s.lua\n   moonpulse run ./%s.lua --rmt 50 --speed max",
  },
}

function M.parser()
  local parser = cli.parser("new",
    "Make the files of a new driver in the current folder (NAME.lua, its simulator NAME_simulator.lua "
      .. "and NAME_spec.lua), or of a new protocol (NAME.lua and NAME_spec.lua). They work as they are: the "
      .. "driver for a device that is invented, the protocol as 10 Hz trains; put yours in their place. "
      .. "Nothing is overwritten.",
    "moonpulse new protocol mine\nmoonpulse new driver mybox\nmoonpulse test ./mybox_spec.lua")
  parser:argument("kind", "What to make."):choices(in_order.keys(kinds)):argname("KIND")
  parser:argument("name", "Its name: letters, digits and _."):argname("NAME")
  return parser
end

local function templates()
  return debug.getinfo(1, "S").source:match("^@(.*)/commands/[^/]*$") .. "/templates/"
end

local function read(path)
  local file, message = io.open(path, "rb")
  if not file then
    cli.fail("usage", "the template is not there, install moonpulse again: %s", message)
  end
  local text = file:read("a")
  file:close()
  return text
end

--- All or nothing: whatever was made before a failure goes again.
local function write_all(files)
  for i, file in ipairs(files) do
    local handle, message = io.open(file.path, "wb")
    local ok = handle and handle:write(file.text) and handle:close()
    if not ok then
      for made = 1, i do
        os.remove(files[made].path)
      end
      cli.fail("usage", "cannot write %s: %s", file.path, message or "is the disk full?")
    end
  end
end

function M.run(options)
  local kind, name = kinds[options.kind], options.name
  if not name:find("^%a[%w_]*$") then
    cli.fail("usage", "%q is no name for a %s: letters, digits and _, beginning with a letter", name,
      options.kind)
  end
  local taken = kind.taken and kind.taken(name)
  if taken then
    cli.fail("usage", "%s: %s; choose another name", name, taken)
  end
  local files = {}
  for i, template in ipairs(kind.files) do
    local path = template:gsub(kind.stands_for, name)
    if lfs.symlinkattributes(path, "mode") then
      cli.fail("usage", "%s is there already: nothing was made; choose another name, or move it away",
        path)
    end
    local text = read(templates() .. options.kind .. "/" .. template)
    files[i] = { path = path, text = (text:gsub(kind.stands_for, name):gsub(kind.stands_for:upper(),
      name:upper():gsub("_", ""))) }
  end
  write_all(files)
  for _, file in ipairs(files) do
    print("made " .. file.path)
  end
  print("try\n   " .. kind.next:gsub("%%s", name))
end

return M
