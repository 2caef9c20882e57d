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

  it("says which draw it is, where anything is drawn from the seed, and only there", function()
    for what, seed in pairs { ["tmseeg_sp --rmt 50"] = "1", ["tmseeg_sp --rmt 50 --seed 7"] = "7",
      ["paired_pulse_block --rmt 50 --seed 9"] = "9" } do -- intervals; intervals and order
      assert.are.equal(0, (plot(what .. " -o @/drawn.svg")))
      assert.matches(("; drawn with seed %s<"):format(seed), shell.read(folder .. "/drawn.svg"), 1, true)
      assert.matches(("; drawn with seed %s\n"):format(seed), select(2, plot(what)))
    end
    assert.are.equal(0, (plot "itbs600 --amt 50 --seed 7 -o @/fixed.svg"))
    assert.is_nil(shell.read(folder .. "/fixed.svg"):find("seed", 1, true))
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

  --- Of a panel: its channels, how many bars each has, and the intervals that are written.
  local function lanes_of(panel)
    local channels, bars, intervals = {}, {}, {}
    for name in panel.drawn:gmatch('class="channel"[^>]*>channel ([^<]*)<') do
      channels[#channels + 1] = name
    end
    for path in panel.drawn:gmatch('class="bar"[^>]* d="([^"]*)"') do
      bars[#bars + 1] = select(2, path:gsub("M", ""))
    end
    for interval in panel.drawn:gmatch('class="note"[^>]*>([^<]*)<') do
      intervals[#intervals + 1] = interval
    end
    return channels, bars, intervals
  end

  local function drawn(name, plan)
    shell.write(folder .. "/made.lua", ('local mp = require "moonpulse"\nreturn mp.protocol { name = %q, '
      .. "plan = function()\n%s end }"):format(name, plan))
    assert.are.equal(0, (plot "@/made.lua -o @/made.svg"))
    return panels_of(shell.read(folder .. "/made.svg"))
  end

  it("draws channels below each other over the same time, and a pair across them once", function()
    local panels = drawn("ccPAS", [[return mp.together { pmv = mp.pulse(mp.mso(40)),
      m1 = mp.rest(mp.ms(8)) .. mp.pulse(mp.mso(55)) }:times(10, { every = 5 })]])
    assert.are.same({ "Whole session", "First pair" }, { panels[1].caption, panels[2].caption })
    assert.are.equal(2, #panels)
    local channels, bars, intervals = lanes_of(panels[1])
    assert.are.same({ { "pmv", "m1" }, { 10, 10 }, {} }, { channels, bars, intervals })
    channels, bars, intervals = lanes_of(panels[2])
    assert.are.same({ { "pmv", "m1" }, { 1, 1 }, { "8.000 ms" } }, { channels, bars, intervals })
    local _, out = plot "@/made.lua"
    assert.are.equal(2, select(2, out:gsub("\n +channel m1\n", "")))
  end)

  it("of channels that go on by themselves follows one of them, and no panel is empty", function()
    local panels = drawn("three", [[return mp.together {
      a = mp.train { pulses = 30, hz = 10, intensity = mp.mso(30) },
      b = mp.rest(mp.ms(33)) .. mp.train { pulses = 20, hz = 8, intensity = mp.mso(60) },
      c = mp.pulse(mp.mso(70)):times(3, { every = 1 }) } .. mp.rest(2) .. mp.pulse(mp.mso(20)):at "b"]])
    assert.are.same({ "Whole session", "First train on channel b",
      "First 10 pulses of that train on channel b" },
      { panels[1].caption, panels[2].caption, panels[3].caption })
    for number, expected in ipairs { { 30, 3, 21 }, { 24, 2, 20 }, { 11, 1, 10 } } do
      local channels, bars = lanes_of(panels[number])
      assert.are.same({ { "a", "c", "b" }, expected }, { channels, bars })
    end
    -- neither trains nor turns: the densest
    panels = drawn("two", [[return mp.together {
      a = mp.train { pulses = 100, hz = 10, intensity = mp.mso(30) },
      b = mp.train { pulses = 9, hz = 0.9, intensity = mp.mso(30) } }]])
    assert.are.same({ "Whole session", "First 60 pulses on channel a", "First 5 pulses on channel a" },
      { panels[1].caption, panels[2].caption, panels[3].caption })
    -- at the same instants: nothing between them to show
    panels = drawn("both", [[local one = mp.pulse(mp.mso(30)):times(4, { every = 5 })
      return mp.together { a = one, b = one }]])
    assert.are.equal("Whole session", panels[1].caption)
    for _, panel in ipairs(panels) do
      assert.is_nil(panel.caption:find("pair"))
      assert.is_nil(panel.drawn:find("-500", 1, true))
    end
  end)

  it("calls pairs of several intervals pairs", function()
    local panels = drawn("SICI and ICF", [[local list = {}
      for i, isi in ipairs { 10, 2, 15, 3 } do
        list[2 * i - 1] = mp.pair { isi = mp.ms(isi), intensity = { mp.mso(40), mp.mso(60) } }
        list[2 * i] = mp.pulse(mp.mso(60))
      end
      return mp.trials { of = list, every = 5 }]])
    assert.are.same({ "Whole session", "First pair" }, { panels[1].caption, panels[#panels].caption })
    local _, bars, intervals = lanes_of(panels[#panels])
    assert.are.same({ { 2 }, { "10.000 ms" } }, { bars, intervals })
    for _, panel in ipairs(panels) do
      assert.is_nil(panel.caption:find("train"))
    end
  end)

  local function texts_of(panel, class)
    local list = {}
    for text in panel.drawn:gmatch('class="' .. class .. '"[^>]*>([^<]*)<') do
      list[#list + 1] = text
    end
    return list
  end

  it("writes the names of marks, cut where there is no room, and not into each other", function()
    local plan = [[return (mp.mark "TS" .. mp.pulse(mp.rmt(120)) .. mp.rest(5) .. mp.mark "S<CI"
      .. mp.pulse(mp.rmt(80)) .. mp.rest(5)):times(%d) .. mp.mark "a name that is longer than the room"
      .. mp.pulse(mp.rmt(100)) .. mp.rest(%d)
      .. mp.mark "\u{DF}" .. mp.pulse(mp.rmt(100))]]
    local panels = drawn("marks", plan:format(1, 5))
    local names = texts_of(panels[1], "tick")
    local words = table.concat(names, "|")
    assert.matches("|TS|S&lt;CI|a name that is longer t…|ß", words, 1, true)
    local _, out = plot "@/made.lua"
    assert.matches("\n marks  ╷TS +╷S<CI +╷a name that is", out)
    for line in out:gmatch("[^\n]+") do
      assert.is_true(utf8.len(line) <= 80, line)
    end
    panels = drawn("many", plan:format(60, 5))
    local ends = -1 -- where the name before ends
    local named = 'class="tick" x="([%d.]+)" y="13.0" text%-anchor="start">([^<]*)<'
    for x, name in panels[1].drawn:gmatch(named) do
      assert.is_true(tonumber(x) > ends, name)
      ends = tonumber(x) + 5 * utf8.len(name)
    end
  end)

  it("has ticks that a person would choose, below and above what is drawn", function()
    for most, ticks in pairs { [120] = "0 50 100 150", [150] = "0 50 100 150", [90] = "0 50 100",
      [160] = "0 50 100 150 200", [45] = "0 20 40 60", [210] = "0 100 200 300", [400] = "0 100 200 300 400",
      [8] = "0 5 10" } do
      local panel = drawn("axis", ("return mp.pulse(mp.rmt(%d))"):format(most))[1]
      local list = {}
      for text in panel.drawn:gmatch('class="tick" x="48.0"[^>]*>(%d+)<') do
        list[#list + 1] = text
      end
      assert.are.equal(ticks, table.concat(list, " "))
    end
  end)

  it("writes between pairs the interval from pair to pair", function()
    local channels = "mp.together { a = mp.pulse(mp.mso(40)), b = mp.rest(mp.ms(8)) .. "
      .. "mp.pulse(mp.mso(55)) }"
    for _, pair in ipairs { channels, "mp.pair { isi = mp.ms(8), intensity = mp.mso(40) }" } do
      local panels = drawn("pairs", "return (" .. pair .. "):times(3, { every = 5 })")
      assert.are.same({ "5 s", "5 s" }, texts_of(panels[1], "note"))
      assert.are.same({ "8.000 ms" }, texts_of(panels[2], "note"))
    end
    assert.are.same({ "2.5 s" }, texts_of(drawn("two", "return mp.pulse(mp.mso(40)) .. mp.rest(2.5) .. "
      .. "mp.pulse(mp.mso(40))")[1], "note"))
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
