--- moonpulse plot: what is drawn is what the plan has.
local shell = require "shell"

local folder
setup(function() folder = shell.folder() end)
teardown(function() shell.remove(folder) end)

local function plot(text)
  return shell.moonpulse(folder, "plot " .. (text:gsub("@", folder)))
end

--- The panels of a picture: caption, and how many bars each has.
local function panels_of(svg)
  local list = {}
  for caption, drawn in svg:gmatch('<text class="caption"[^>]*>([^<]*)</text>%s*(<svg.-</svg>)') do
    local path = drawn:match('class="bar"[^>]* d="([^"]*)"')
    local _, bars = (path or ""):gsub("M", "")
    list[#list + 1] = { caption = caption, bars = path and bars, drawn = drawn }
  end
  return list
end

describe("moonpulse plot", function()
  it("draws session, train and burst of theta burst, bar for pulse", function()
    assert.are.equal(0, (plot "itbs600 --amt 50 -o @/a.svg"))
    local svg = shell.read(folder .. "/a.svg")
    local panels = panels_of(svg)
    assert.are.same({ "Whole session", "First train", "First burst" },
      { panels[1].caption, panels[2].caption, panels[3].caption })
    assert.is_nil(panels[1].bars) -- 600 pulses: binned
    assert.are.equal(30, panels[2].bars)
    assert.are.equal(3, panels[3].bars)
    assert.matches("20.000 ms", panels[3].drawn, 1, true)
    assert.matches("%MSO", svg, 1, true)
  end)

  it("draws bars as high as they are strong", function()
    shell.write(folder .. "/two.lua", [[
      local mp = require "moonpulse"
      return mp.protocol { name = "a < b & c", plan = function()
        return mp.pulse(mp.mso(50)) .. mp.rest(1) .. mp.pulse(mp.mso(100))
      end }]])
    assert.are.equal(0, (plot "@/two.lua -o @/b.svg"))
    local svg = shell.read(folder .. "/b.svg")
    assert.matches("a &lt; b &amp; c", svg, 1, true)
    local tops, bottom = {}, nil
    local path = panels_of(svg)[1].drawn:match('class="bar"[^>]* d="([^"]*)"')
    for from, to in path:gmatch("M[%d.]+ ([%d.]+)V([%d.]+)") do
      bottom, tops[#tops + 1] = tonumber(from), tonumber(to)
    end
    assert.is_true(math.abs((bottom - tops[1]) / (bottom - tops[2]) - 0.5) < 0.01)
  end)

  it("draws channels below each other, over the same time", function()
    assert.are.equal(0, (plot "pas25 -p nerve=30%MSO -o @/c.svg"))
    local captions = {}
    for _, panel in ipairs(panels_of(shell.read(folder .. "/c.svg"))) do
      captions[#captions + 1] = panel.caption
    end
    assert.are.same({ "Whole session, channel nerve", "Whole session, channel tms",
      "First pair, channel nerve", "First pair, channel tms" },
      { captions[1], captions[2], captions[#captions - 1], captions[#captions] })
  end)

  it("writes a PNG", function()
    assert.are.equal(0, (plot "itbs600 -o '@/it''s.png'"))
    assert.are.equal("\x89PNG\r\n\x1a\n", shell.read(folder .. "/its.png"):sub(1, 8))
  end)

  it("fits a terminal", function()
    local status, out = plot "itbs600"
    assert.are.equal(0, status)
    for line in out:gmatch("[^\n]+") do
      assert.is_true(utf8.len(line) <= 80, line)
    end
    assert.matches("First burst  (%AMT)", out, 1, true)
  end)

  it("says what it cannot do", function()
    local status, _, err = plot "itbs600 -o @/x.pdf"
    assert.are.equal(2, status)
    assert.matches(".svg or .png", err, 1, true)
    status, _, err = plot "itbs600 -o @/nowhere/x.svg"
    assert.are.equal(2, status)
    assert.matches("cannot write the picture", err, 1, true)
  end)
end)
