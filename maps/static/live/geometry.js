// Metres around a point, for drawing only: exact to a metre within a few kilometres.

const METRES_PER_DEGREE = 111320;

export const latlng = (feature) => {
  const [lon, lat] = feature.geometry.coordinates;
  return [lat, lon];
};

export function offset([lat, lon], eastM, northM) {
  const east = eastM / (METRES_PER_DEGREE * Math.cos((lat * Math.PI) / 180));
  return [lat + northM / METRES_PER_DEGREE, lon + east];
}

// The outline of an error ellipse: half axes in metres, the major one's bearing from north.
export function ellipse(centre, { semi_major_m: major, semi_minor_m: minor, bearing_deg: bearing }) {
  const along = (bearing * Math.PI) / 180;
  const points = [];
  for (let step = 0; step < 40; step += 1) {
    const angle = (step / 40) * 2 * Math.PI;
    const ahead = major * Math.cos(angle);
    const aside = minor * Math.sin(angle);
    const east = ahead * Math.sin(along) + aside * Math.cos(along);
    const north = ahead * Math.cos(along) - aside * Math.sin(along);
    points.push(offset(centre, east, north));
  }
  return points;
}

// Whether a place lies in a GeoJSON polygon: even-odd, so that holes are left out.
export function inside(rings, lon, lat) {
  let odd = false;
  for (const ring of rings) {
    for (let index = 1; index < ring.length; index += 1) {
      const [[fromLon, fromLat], [toLon, toLat]] = [ring[index - 1], ring[index]];
      if (fromLat > lat === toLat > lat) continue;
      if (lon < fromLon + ((lat - fromLat) / (toLat - fromLat)) * (toLon - fromLon)) odd = !odd;
    }
  }
  return odd;
}
