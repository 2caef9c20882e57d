--- moonpulse plot: a protocol as a picture, at the scales of session, train and burst.
local cli = require "moonpulse.cli"
local common = require "moonpulse.cli.protocol_argument"
local core = require "moonpulse.core"
local picture = require "moonpulse.show.picture"
local scenes = require "moonpulse.show.scene"
local term = require "term"
local terminal = require "moonpulse.show.terminal"

local M = {}

function M.parser()
  local parser = cli.parser("plot",
    "Draw a protocol: when its pulses come and how strong they are, at the scales of session, train and "
      .. "burst. Intensities are in %MSO where the thresholds are given, else as the protocol has them.",
    "moonpulse plot itbs600\nmoonpulse plot itbs600 --amt 50 -o itbs600.svg\n"
      .. "moonpulse plot mine.lua -o mine.png")
  common.add_protocol(parser)
  parser:option("-o --output", "x.svg, x.png (with rsvg-convert), or terminal (the default).")
    :default("terminal"):argname("FILE|terminal")
  return parser
end

local function write(path, text)
  local file, message = io.open(path, "wb")
  if not file then
    cli.fail("usage", "cannot write the picture: %s", message)
  end
  local ok
  ok, message = file:write(text)
  if not (ok and file:close()) then
    cli.fail("fault", "cannot write the picture: %s", message or path)
  end
end

local function quoted(path)
  return "'" .. path:gsub("'", "'\\''") .. "'"
end

--- rsvg-convert of Debian's librsvg2-bin draws the PNG, at twice the size, for print.
local function write_png(path, text)
  local converter = io.popen("command -v rsvg-convert"):read("l")
  if not converter then
    cli.fail("usage", "a PNG needs rsvg-convert: sudo apt-get install librsvg2-bin, or write an SVG: -o %s",
      (path:gsub("%.png$", ".svg")))
  end
  local file, message = io.open(path, "ab") -- else it is rsvg-convert that complains, in its own words
  if not file then
    cli.fail("usage", "cannot write the picture: %s", message)
  end
  file:close()
  local pipe = assert(io.popen(("rsvg-convert --zoom 2 --output %s"):format(quoted(path)), "w"))
  pipe:write(text)
  local ok, _, code = pipe:close()
  if not ok then
    cli.fail("fault", "rsvg-convert could not write %s (status %s)", path, tostring(code))
  end
end

function M.run(options)
  local protocol, plan, _, drawn = common.load(options)
  local seed = options.seed or 1
  local facts = common.measure(plan, seed)
  if facts.pulses == 0 then
    cli.fail("usage", "the plan has no pulse: there is nothing to draw")
  end
  local scene = scenes.of(protocol, plan, facts, seed, { rmt = options.rmt, amt = options.amt }, drawn)
  local path = options.output
  if path == "terminal" then
    print(terminal.draw(scene, term.isatty(io.stdout) and core.terminal_width() or 80))
  elseif path:match("%.svg$") then
    write(path, picture.draw(scene))
  elseif path:match("%.png$") then
    write_png(path, picture.draw(scene))
  else
    cli.fail("usage", "-o %s: write a name that ends in .svg or .png, or terminal", path)
  end
end

return M
